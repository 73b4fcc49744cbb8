SELECT users.id, users.name 
FROM users 
WHERE users.name = 'ed' AND users.id > 7 ORDER BY users.id 
 LIMIT 5 OFFSET 2