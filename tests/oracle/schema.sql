-- What the oracle's sessions read and write. Few keys (1 to 8) and many ways in which one table
-- depends on another. Everything belongs to `app`; alice, bob and web are its users.

CREATE ROLE app LOGIN;
CREATE ROLE staff;
CREATE ROLE alice LOGIN IN ROLE staff;
CREATE ROLE bob LOGIN IN ROLE staff;
CREATE ROLE web LOGIN;
GRANT alice, bob, web TO app;
GRANT alice TO bob;
GRANT CREATE, TEMPORARY ON DATABASE postgres TO app;
ALTER ROLE web SET app.tenant = 'blue';
CREATE SCHEMA main AUTHORIZATION app;
CREATE SCHEMA east AUTHORIZATION app;
CREATE SCHEMA west AUTHORIZATION app;
ALTER DATABASE postgres SET search_path = main;
SET search_path = main;
SET ROLE app;

-- Every type whose text depends on a setting.
CREATE TABLE account (
  id int PRIMARY KEY, owner text NOT NULL DEFAULT 'nobody', balance int NOT NULL DEFAULT 0,
  ratio float8 DEFAULT 0.1, at timestamptz DEFAULT '2024-03-01 12:00:00+00',
  day date DEFAULT '2024-03-04', span interval DEFAULT '1 day 02:03:04', data bytea DEFAULT '\x00ff');

-- Foreign keys of every action, two levels deep.
CREATE TABLE orders (
  id int PRIMARY KEY, account_id int REFERENCES account ON DELETE CASCADE ON UPDATE CASCADE,
  status text DEFAULT 'open', n int DEFAULT 0);
CREATE TABLE line (
  id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE SET NULL ON UPDATE CASCADE,
  n int DEFAULT 0);
CREATE TABLE tag (
  id int PRIMARY KEY, label text DEFAULT 'plain',
  account_id int DEFAULT 100 REFERENCES account ON DELETE SET DEFAULT ON UPDATE CASCADE);

-- Partitions by list, one of them by range again; inheritance.
CREATE TABLE event (kind text, id int, n int DEFAULT 0, PRIMARY KEY (kind, id))
  PARTITION BY LIST (kind);
CREATE TABLE event_a PARTITION OF event FOR VALUES IN ('a');
CREATE TABLE event_b PARTITION OF event FOR VALUES IN ('b') PARTITION BY RANGE (id);
CREATE TABLE event_b_low PARTITION OF event_b FOR VALUES FROM (MINVALUE) TO (5);
CREATE TABLE event_b_high PARTITION OF event_b FOR VALUES FROM (5) TO (MAXVALUE);
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE TABLE thing (id int PRIMARY KEY, n int DEFAULT 0);
CREATE TABLE special_thing (extra int DEFAULT 0) INHERITS (thing);

-- Triggers: one writes elsewhere, one changes the row itself and counts; a rule; a view to insert to.
CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY, what text, row_id int, n int);
CREATE TABLE noisy (id int PRIMARY KEY, n int DEFAULT 0, doubled int);
CREATE TABLE tally (name text PRIMARY KEY, n bigint);
CREATE TABLE inbox (id int, n int);
CREATE TABLE outbox (id int, n int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO main.audit (what, row_id, n)
    VALUES (TG_OP, CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END, 1);
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON orders
  FOR EACH ROW EXECUTE FUNCTION note();
CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.doubled := NEW.n * 2;
  UPDATE main.tally SET n = n + 1 WHERE name = 'noisy';
  RETURN NEW;
END $$;
CREATE TRIGGER twice BEFORE INSERT OR UPDATE ON noisy FOR EACH ROW EXECUTE FUNCTION twice();
CREATE RULE copy_out AS ON INSERT TO inbox DO ALSO INSERT INTO outbox VALUES (NEW.id, NEW.n);

-- Row-level security, by the user and by a setting.
CREATE TABLE doc (id int PRIMARY KEY, tenant text, owner text, n int DEFAULT 0);
CREATE TABLE note (id int PRIMARY KEY, doc_id int, n int DEFAULT 0);
ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
ALTER TABLE doc FORCE ROW LEVEL SECURITY;
CREATE POLICY by_tenant ON doc USING (tenant = current_setting('app.tenant', true));
CREATE POLICY by_owner ON doc USING (owner = current_user);
CREATE POLICY all_of_app ON doc TO app USING (id <> 8);

-- The same name in three schemas.
CREATE TABLE stock (id int PRIMARY KEY, n int DEFAULT 0, place text DEFAULT 'main');
CREATE TABLE east.stock (id int PRIMARY KEY, n int DEFAULT 0, place text DEFAULT 'east');
CREATE TABLE west.stock (id int PRIMARY KEY, n int DEFAULT 0, place text DEFAULT 'west');

CREATE VIEW rich AS SELECT id, owner, balance FROM account WHERE balance >= 50;
CREATE VIEW rich_orders AS
  SELECT r.id, r.owner, o.id AS order_id, o.n FROM rich r JOIN orders o ON o.account_id = r.id;
CREATE VIEW totals AS SELECT owner, sum(balance) AS balance, count(*) AS n FROM account GROUP BY owner;
CREATE VIEW mine WITH (security_invoker) AS SELECT id, n FROM doc WHERE owner = current_user;
CREATE VIEW doc_seen AS SELECT id, tenant, n FROM doc;
CREATE VIEW doc_invoker WITH (security_invoker) AS SELECT id, tenant, n FROM doc;
CREATE VIEW tenant_doc AS
  SELECT d.id, n.n FROM doc d JOIN note n ON n.doc_id = d.id
  WHERE d.tenant = current_setting('app.tenant', true);
CREATE VIEW shifting AS SELECT id, n FROM thing WHERE n < 100;
CREATE VIEW mailbox AS SELECT id, n FROM inbox;
CREATE FUNCTION deliver() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO main.outbox VALUES (NEW.id, NEW.n);
  RETURN NEW;
END $$;
CREATE TRIGGER deliver INSTEAD OF INSERT ON mailbox FOR EACH ROW EXECUTE FUNCTION deliver();
CREATE MATERIALIZED VIEW summary AS SELECT owner, count(*) AS n, sum(balance) AS b FROM account GROUP BY owner;

CREATE FUNCTION pure(a int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a * 3 + 1';
CREATE FUNCTION balance_of(k int) RETURNS int STABLE LANGUAGE sql
  AS 'SELECT balance FROM main.account WHERE id = k';
CREATE FUNCTION order_sum(k int) RETURNS bigint STABLE LANGUAGE plpgsql AS $$
DECLARE s bigint;
BEGIN
  SELECT sum(n) INTO s FROM main.orders WHERE account_id = k;
  RETURN coalesce(s, 0);
END $$;
CREATE FUNCTION who(k int) RETURNS text STABLE LANGUAGE sql
  AS $$SELECT current_user || ':' || coalesce(current_setting('app.tenant', true), '-') || k$$;
CREATE FUNCTION stock_of(k int) RETURNS int STABLE LANGUAGE plpgsql
  AS $$BEGIN RETURN (SELECT n FROM stock WHERE id = k); END$$;
CREATE FUNCTION bump(k int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE v int;
BEGIN
  UPDATE main.thing SET n = n + 1 WHERE id = k RETURNING n INTO v;
  RETURN v;
END $$;
CREATE FUNCTION bump_sql(k int) RETURNS int LANGUAGE sql
  AS 'UPDATE main.noisy SET n = n + 1 WHERE id = k; SELECT n FROM main.noisy WHERE id = k';
CREATE FUNCTION sly_bump(k int) RETURNS int STABLE LANGUAGE plpgsql
  AS 'BEGIN RETURN main.bump(k); END';
CREATE FUNCTION set_tenant(t text) RETURNS text LANGUAGE plpgsql
  AS $$BEGIN RETURN set_config('app.tenant', t, false); END$$;
CREATE PROCEDURE move_thing(k int) LANGUAGE plpgsql
  AS 'BEGIN UPDATE main.thing SET n = n + 10 WHERE id = k; COMMIT; UPDATE main.tag SET label = label WHERE id = k; END';

INSERT INTO account SELECT k, (ARRAY['ann', 'ben', 'cat'])[k % 3 + 1], k * 20 FROM generate_series(1, 8) k;
INSERT INTO account (id, owner, balance) VALUES (100, 'ann', 0);
INSERT INTO orders SELECT k, k, 'open', k FROM generate_series(1, 8) k;
INSERT INTO line SELECT k, k, k FROM generate_series(1, 8) k;
INSERT INTO tag SELECT k, 'plain', k FROM generate_series(1, 8) k;
INSERT INTO event SELECT (ARRAY['a', 'b', 'c'])[k % 3 + 1], k, k FROM generate_series(1, 8) k;
INSERT INTO thing SELECT k, k FROM generate_series(1, 4) k;
INSERT INTO special_thing SELECT k, k, k FROM generate_series(5, 8) k;
INSERT INTO tally VALUES ('noisy', 0);
INSERT INTO noisy SELECT k, k FROM generate_series(1, 8) k;
INSERT INTO doc SELECT k, (ARRAY['blue', 'red'])[k % 2 + 1], (ARRAY['alice', 'bob', 'app'])[k % 3 + 1], k
  FROM generate_series(1, 7) k;
INSERT INTO note SELECT k, k, k FROM generate_series(1, 8) k;
INSERT INTO stock SELECT k, k * 7 FROM generate_series(1, 8) k;
INSERT INTO east.stock SELECT k, k FROM generate_series(1, 8) k;
INSERT INTO west.stock SELECT k, k * 10 FROM generate_series(1, 8) k;
REFRESH MATERIALIZED VIEW summary;

GRANT USAGE ON SCHEMA main, east, west TO staff, web;
GRANT ALL ON ALL TABLES IN SCHEMA main, east, west TO staff, web;
GRANT ALL ON ALL SEQUENCES IN SCHEMA main TO staff, web;
