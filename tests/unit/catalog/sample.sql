-- The database that tests/unit/catalog/sample.rows was loaded from: one object for each rule.
-- OIDs are not used by the tests, only names.

CREATE EXTENSION citext;
CREATE SCHEMA other;
CREATE SCHEMA app;
CREATE SCHEMA "Mixed";

-- Ordinary tables.
CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
CREATE TABLE branches (bid int PRIMARY KEY, bbalance int);
CREATE TABLE other.accounts (aid int PRIMARY KEY);
CREATE TABLE "Mixed"."Case.Table" (id int);
CREATE TABLE serials (id serial PRIMARY KEY, v text);
CREATE TABLE identities (id int GENERATED ALWAYS AS IDENTITY, v text);
CREATE TABLE stamped (id uuid DEFAULT gen_random_uuid(), at timestamptz DEFAULT now(),
                      n int GENERATED ALWAYS AS (abs(-1)) STORED, CHECK (at > '2000-01-01'));
CREATE UNLOGGED TABLE unlogged (id int);
CREATE SEQUENCE standalone;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE remote (id int) SERVER nowhere;
CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS n FROM accounts;

-- Views.
CREATE VIEW rich AS SELECT aid, abalance FROM accounts WHERE abalance > 100;
CREATE VIEW rich_branches AS
  SELECT b.bid, sum(r.abalance) AS total FROM branches b JOIN accounts a USING (bid)
    JOIN rich r ON r.aid = a.aid GROUP BY b.bid;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM branches;
CREATE VIEW clocked AS SELECT now() AS at, aid FROM accounts;
CREATE VIEW dated AS SELECT 'today'::text::date AS d;
CREATE VIEW whoami AS SELECT CURRENT_USER AS me;
CREATE VIEW on_catalog AS SELECT relname FROM pg_class;

-- Functions, operators, casts, types of users.
CREATE FUNCTION harmless(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION app.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION app.total(accounts) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION app.born(date) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW calling AS SELECT harmless(aid) AS h FROM accounts;
CREATE VIEW view_default AS SELECT * FROM branches;
ALTER VIEW view_default ALTER COLUMN bbalance SET DEFAULT harmless(1);
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE pair AS (a int, b mood);
CREATE TYPE floats AS RANGE (subtype = float8);
CREATE DOMAIN free_text AS text;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN checked AS int CHECK (harmless(VALUE) > 0);
CREATE DOMAIN birthday AS date;
CREATE TABLE typed (m mood, ms mood[], p pair, f floats, t free_text, r int4range);
CREATE TABLE domained (p positive);
CREATE TABLE domain_checked (c checked);
CREATE TABLE insensitive (c citext);
CREATE TYPE colour AS ENUM ('red');
CREATE FUNCTION colour_of(int) RETURNS colour LANGUAGE sql AS 'SELECT ''red''::colour';
CREATE CAST (int AS colour) WITH FUNCTION colour_of(int) AS ASSIGNMENT;
CREATE TABLE coloured (c colour);
CREATE FUNCTION app.same(int, int) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR app.= (LEFTARG = int, RIGHTARG = int, FUNCTION = app.same);
CREATE FUNCTION app.before(mood, mood) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR app.< (LEFTARG = mood, RIGHTARG = mood, FUNCTION = app.before);

-- Defaults, checks and indexes that run functions of users.
CREATE TABLE default_calls (id int DEFAULT harmless(1));
CREATE TABLE check_calls (id int CHECK (harmless(id) > 0));
CREATE TABLE generated_calls (id int, g int GENERATED ALWAYS AS (harmless(id)) STORED);
CREATE TABLE index_calls (id int);
CREATE INDEX ON index_calls (harmless(id));
CREATE TABLE predicate_calls (id int);
CREATE INDEX ON predicate_calls (id) WHERE harmless(id) > 0;
CREATE TABLE partition_calls (id int) PARTITION BY RANGE (harmless(id));
CREATE TABLE set_config_default (v text DEFAULT set_config('a.b', 'c', false));

-- Foreign keys.
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE grandchild (id int REFERENCES child ON DELETE SET NULL);
CREATE TABLE defaulted (id int DEFAULT 1 REFERENCES parent ON DELETE SET DEFAULT);
CREATE TABLE plain_reference (id int REFERENCES parent);
CREATE TABLE loop_a (id int PRIMARY KEY, b int);
CREATE TABLE loop_b (id int PRIMARY KEY, a int REFERENCES loop_a ON DELETE CASCADE);
ALTER TABLE loop_a ADD FOREIGN KEY (b) REFERENCES loop_b ON DELETE CASCADE;
CREATE TABLE audited_parent (id int PRIMARY KEY);
CREATE TABLE audited_child (id int REFERENCES audited_parent ON DELETE CASCADE);

-- Triggers and rules.
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER audit AFTER UPDATE ON audited_child EXECUTE FUNCTION audit();
ALTER TABLE audited_child DISABLE TRIGGER audit;
CREATE TABLE ruled (id int);
CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO branches VALUES (1);
CREATE VIEW instead AS SELECT * FROM branches;
CREATE TRIGGER instead INSTEAD OF INSERT ON instead FOR EACH ROW EXECUTE FUNCTION audit();

-- Trees.
CREATE TABLE events (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
  PARTITION BY RANGE (id);
CREATE TABLE events_2025_low PARTITION OF events_2025 FOR VALUES FROM (0) TO (10);
CREATE TABLE base_a (id int);
CREATE TABLE base_b (name text);
CREATE TABLE derived () INHERITS (base_a, base_b);
CREATE TABLE mixed_tree (id int);
CREATE UNLOGGED TABLE mixed_tree_child () INHERITS (mixed_tree);
CREATE TABLE traced (id int) PARTITION BY LIST (id);
CREATE TABLE traced_1 PARTITION OF traced FOR VALUES IN (1);
CREATE TRIGGER audit AFTER INSERT ON traced_1 EXECUTE FUNCTION audit();

-- Row-level security.
CREATE TABLE tenants (id int PRIMARY KEY, owner text);
CREATE TABLE guarded (id int, tenant int);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY simple ON guarded
  USING (EXISTS (SELECT 1 FROM tenants t WHERE t.id = guarded.tenant));
CREATE TABLE guarded_setting (id int, tenant text);
ALTER TABLE guarded_setting ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_setting ON guarded_setting USING (tenant = current_setting('app.tenant'));
CREATE TABLE guarded_user (id int, owner name);
ALTER TABLE guarded_user ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_user ON guarded_user USING (owner = CURRENT_USER);
CREATE TABLE guarded_call (id int);
ALTER TABLE guarded_call ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_call ON guarded_call USING (harmless(id) > 0);
CREATE TABLE guarded_loop (id int);
ALTER TABLE guarded_loop ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_self ON guarded_loop USING (EXISTS (SELECT 1 FROM guarded_loop g));
CREATE TABLE guard_off (id int);
CREATE POLICY unused ON guard_off USING (harmless(id) > 0);

-- Rows by key.
CREATE TABLE owners (id int PRIMARY KEY, name varchar(4) UNIQUE, other numeric UNIQUE);
CREATE TABLE owned (id bigint PRIMARY KEY, owner int REFERENCES owners, part uuid DEFAULT gen_random_uuid() UNIQUE,
                    flag bool, n int GENERATED ALWAYS AS (1) STORED UNIQUE, p positive UNIQUE);
CREATE VIEW owned_view AS SELECT * FROM owned;
CREATE TABLE keyed_base (id int PRIMARY KEY);
CREATE TABLE keyed_derived (extra int UNIQUE) INHERITS (keyed_base);
CREATE TABLE blind_words (word text COLLATE "und-x-icu" UNIQUE, id int PRIMARY KEY);
