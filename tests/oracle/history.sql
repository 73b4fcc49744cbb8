-- What the full-speed sessions read and write. A group is a family and an id; whoever writes a group
-- adds 1 to its version and puts the same number into every row of it, in one transaction. The row
-- in the family's first table is locked first, so versions are in the order of the commits.

CREATE ROLE app LOGIN;
CREATE ROLE alice LOGIN;
CREATE SCHEMA east AUTHORIZATION app;
CREATE SCHEMA west AUTHORIZATION app;
GRANT CREATE ON SCHEMA public TO app;
SET ROLE app;

CREATE TABLE pair_a (id int PRIMARY KEY, v bigint NOT NULL);
CREATE TABLE pair_b (id int PRIMARY KEY, v bigint NOT NULL);
CREATE TABLE pair_c (id int PRIMARY KEY, v bigint NOT NULL) PARTITION BY LIST (id);
CREATE TABLE pair_c1 PARTITION OF pair_c FOR VALUES IN (1);
CREATE TABLE pair_c2 PARTITION OF pair_c DEFAULT;
CREATE VIEW pair AS SELECT a.id, a.v AS va, b.v AS vb, c.v AS vc
  FROM pair_a a JOIN pair_b b USING (id) JOIN pair_c c USING (id);
CREATE VIEW pair_1 AS SELECT * FROM pair WHERE id = 1;
CREATE FUNCTION write_pair(k int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  UPDATE pair_a SET v = v + 1 WHERE id = k RETURNING v INTO n;
  UPDATE pair_b SET v = n WHERE id = k;
  UPDATE pair_c SET v = n WHERE id = k;
  RETURN n;
END $$;
CREATE FUNCTION read_pair(k int) RETURNS bigint STABLE LANGUAGE sql
  AS 'SELECT a.v FROM pair_a a JOIN pair_b b ON b.id = a.id AND b.v = a.v WHERE a.id = k';

CREATE TABLE fired_a (id int PRIMARY KEY, v bigint NOT NULL);
CREATE TABLE fired_b (id int PRIMARY KEY, v bigint NOT NULL);
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE fired_b SET v = NEW.v WHERE id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER fire AFTER UPDATE ON fired_a FOR EACH ROW EXECUTE FUNCTION fire();

CREATE TABLE key_a (id int PRIMARY KEY, v bigint NOT NULL, UNIQUE (id, v));
CREATE TABLE key_b (id int PRIMARY KEY, v bigint NOT NULL,
  FOREIGN KEY (id, v) REFERENCES key_a (id, v) ON UPDATE CASCADE);

-- One row a tenant; the group is the tenant.
CREATE TABLE owned (id int PRIMARY KEY, tenant text, v bigint NOT NULL);
INSERT INTO owned VALUES (1, 'blue', 1), (2, 'red', 1);
ALTER TABLE owned ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_tenant ON owned TO alice USING (tenant = current_setting('app.tenant', true));

CREATE TABLE east.mark (id int PRIMARY KEY, place text DEFAULT 'east', v bigint NOT NULL);
CREATE TABLE west.mark (id int PRIMARY KEY, place text DEFAULT 'west', v bigint NOT NULL);

INSERT INTO pair_a SELECT k, 1 FROM generate_series(1, 3) k;
INSERT INTO pair_b TABLE pair_a;
INSERT INTO pair_c TABLE pair_a;
INSERT INTO fired_a TABLE pair_a;
INSERT INTO fired_b TABLE pair_a;
INSERT INTO key_a TABLE pair_a;
INSERT INTO key_b TABLE pair_a;
INSERT INTO east.mark (id, v) TABLE pair_a;
INSERT INTO west.mark (id, v) TABLE pair_a;

GRANT USAGE ON SCHEMA east, west TO alice;
GRANT ALL ON ALL TABLES IN SCHEMA public, east, west TO alice;
