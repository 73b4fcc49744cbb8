WITH anon_1 AS 
(SELECT orders.region AS region, sum(orders.amount) AS total 
FROM orders WHERE orders.amount > 10.25 GROUP BY orders.region)
 SELECT * FROM anon_1 WHERE anon_1.total > 1000 AND anon_1.region IN ('a', 'b')