-- The database that tests/unit/catalog/sample.rows was loaded from: one object for each rule.
-- OIDs are not used by the tests, only names.

CREATE EXTENSION citext;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION hstore;
CREATE EXTENSION dblink;
CREATE EXTENSION "uuid-ossp";
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
CREATE FUNCTION opaque(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'DECLARE i int; BEGIN EXECUTE ''SELECT 1'' INTO i; RETURN i; END';
CREATE FUNCTION app.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION app.total(accounts) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION app.born(date) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW calling AS SELECT opaque(aid) AS h FROM accounts;
CREATE VIEW view_default AS SELECT * FROM branches;
ALTER VIEW view_default ALTER COLUMN bbalance SET DEFAULT opaque(1);
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE pair AS (a int, b mood);
CREATE TYPE floats AS RANGE (subtype = float8);
CREATE DOMAIN free_text AS text;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN checked AS int CHECK (opaque(VALUE) > 0);
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
CREATE TABLE default_calls (id int DEFAULT opaque(1));
CREATE TABLE check_calls (id int CHECK (opaque(id) > 0));
CREATE TABLE generated_calls (id int, g int GENERATED ALWAYS AS (opaque(id)) STORED);
CREATE TABLE index_calls (id int);
CREATE INDEX ON index_calls (opaque(id));
CREATE TABLE predicate_calls (id int);
CREATE INDEX ON predicate_calls (id) WHERE opaque(id) > 0;
CREATE TABLE partition_calls (id int) PARTITION BY RANGE (opaque(id));
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
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE ''''; RETURN NULL; END';
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
CREATE POLICY by_call ON guarded_call USING (opaque(id) > 0);
CREATE TABLE guarded_loop (id int);
ALTER TABLE guarded_loop ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_self ON guarded_loop USING (EXISTS (SELECT 1 FROM guarded_loop g));
CREATE TABLE guard_off (id int);
CREATE POLICY unused ON guard_off USING (opaque(id) > 0);

-- Functions that are understood, and some that are not.
CREATE FUNCTION plus_one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION balance_of(int) RETURNS int LANGUAGE sql STABLE AS
  'SELECT abalance FROM accounts WHERE aid = $1';
CREATE FUNCTION count_accounts() RETURNS bigint LANGUAGE sql STABLE AS
  'SELECT count(*) FROM accounts';
CREATE FUNCTION balance_in_public(int) RETURNS int LANGUAGE sql STABLE SET search_path = public AS
  'SELECT abalance FROM accounts WHERE aid = $1';
CREATE FUNCTION balance_as_postgres(int) RETURNS int LANGUAGE sql STABLE SET role = postgres AS
  'SELECT abalance FROM public.accounts WHERE aid = $1';
CREATE FUNCTION balance_atomic(a int) RETURNS int LANGUAGE sql STABLE
  BEGIN ATOMIC SELECT 1; SELECT abalance FROM accounts WHERE aid = a; END;
CREATE FUNCTION sum_atomic(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE RETURN a + b;
CREATE FUNCTION lies_immutable(int) RETURNS int LANGUAGE sql IMMUTABLE AS
  'SELECT abalance FROM public.accounts WHERE aid = $1';
CREATE FUNCTION tenant() RETURNS int LANGUAGE sql STABLE AS
  $$SELECT current_setting('app.tenant', true)::int$$;
CREATE FUNCTION tenant_immutable() RETURNS text LANGUAGE sql IMMUTABLE AS
  $$SELECT current_setting('app.tenant')$$;
CREATE FUNCTION any_setting(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT current_setting($1)';
CREATE FUNCTION me() RETURNS text LANGUAGE sql STABLE AS 'SELECT current_user::text';
CREATE FUNCTION calls_volatile() RETURNS float8 LANGUAGE sql STABLE AS 'SELECT random()';
CREATE FUNCTION deposit(int, int) RETURNS void LANGUAGE sql AS
  'UPDATE public.accounts SET abalance = abalance + $2 WHERE aid = $1; DELETE FROM public.child';
CREATE FUNCTION nested(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT balance_in_public(plus_one($1))';
CREATE FUNCTION nested_write() RETURNS void LANGUAGE sql AS 'SELECT deposit(1, 2)';
CREATE FUNCTION factorial_of(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN IF n < 2 THEN RETURN 1; END IF; RETURN n * factorial_of(n - 1); END';
CREATE FUNCTION even(n int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN RETURN n = 0 OR odd(n - 1); END';
CREATE FUNCTION odd(n int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN RETURN n <> 0 AND even(n - 1); END';
CREATE FUNCTION over(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION over(int, int) RETURNS float8 LANGUAGE sql AS 'SELECT random()';
CREATE FUNCTION over(int, int, int, VARIADIC int[]) RETURNS int LANGUAGE sql STABLE AS
  'SELECT bbalance FROM public.branches';
CREATE FUNCTION with_default(a int, b timestamptz DEFAULT now()) RETURNS int LANGUAGE sql IMMUTABLE
  AS 'SELECT $1';
CREATE FUNCTION as_date(t text) RETURNS date LANGUAGE plpgsql STABLE AS 'BEGIN RETURN t; END';
CREATE FUNCTION day_of(n int, OUT d date) LANGUAGE plpgsql STABLE AS
  'BEGIN SELECT day INTO d FROM public.events WHERE id = n; END';
CREATE FUNCTION days(OUT d date) RETURNS SETOF date LANGUAGE plpgsql STABLE AS
  'BEGIN RETURN QUERY SELECT day FROM public.events; END';
CREATE FUNCTION sets_time_zone() RETURNS void LANGUAGE plpgsql AS
  'BEGIN SET LOCAL timezone = ''UTC''; END';
CREATE FUNCTION makes_temp() RETURNS void LANGUAGE plpgsql AS
  'BEGIN CREATE TEMP TABLE tmp (id int); END';
CREATE FUNCTION reads_rows(n int) RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE r branches%ROWTYPE; total int := 0;
BEGIN
  FOR r IN SELECT * FROM public.branches WHERE bid > n LOOP
    total := total + r.bbalance + plus_one(1);
  END LOOP;
  RETURN total;
EXCEPTION WHEN no_data_found THEN RETURN NULL;
END $$;
CREATE AGGREGATE first_of(int) (SFUNC = int4larger, STYPE = int);
CREATE FUNCTION opaque_step(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE ''''; END';
CREATE AGGREGATE opaque_of(int) (SFUNC = opaque_step, STYPE = int);
CREATE VIEW with_balance AS SELECT bid, balance_in_public(bid) AS balance FROM branches;
CREATE TABLE guarded_tenant (id int, tenant int);
ALTER TABLE guarded_tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_tenant ON guarded_tenant USING (tenant = tenant());
CREATE TABLE guarded_lookup (id int);
ALTER TABLE guarded_lookup ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_lookup ON guarded_lookup USING (balance_in_public(id) > 0);
CREATE TABLE uuids (id uuid DEFAULT uuid_generate_v4(), v text);
CREATE TABLE stores (h hstore);
CREATE TABLE understood_calls (
  id int DEFAULT plus_one(1) CHECK (plus_one(id) > 0), g int GENERATED ALWAYS AS (plus_one(id)) STORED);
CREATE INDEX ON understood_calls (plus_one(id));
CREATE FUNCTION same_mood(mood, text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR === (LEFTARG = mood, RIGHTARG = text, FUNCTION = same_mood);

-- Triggers that are understood.
CREATE TABLE log (id int, what text);
CREATE FUNCTION write_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.log VALUES (NEW.id, TG_OP);
  NEW.v := lower(NEW.v);
  RETURN NEW;
END $$;
CREATE TABLE logged (id int, v text);
CREATE TRIGGER log AFTER INSERT OR UPDATE ON logged FOR EACH ROW WHEN (NEW.id > 0)
  EXECUTE FUNCTION write_log();
CREATE TABLE logged_before (id int, v text);
CREATE TRIGGER log BEFORE INSERT ON logged_before FOR EACH ROW EXECUTE FUNCTION write_log();
CREATE TABLE logged_opaquely (id int, v text);
CREATE TRIGGER log AFTER UPDATE ON logged_opaquely FOR EACH ROW WHEN (opaque(NEW.id) > 0)
  EXECUTE FUNCTION write_log();
CREATE TABLE log_parent (id int PRIMARY KEY);
CREATE TABLE log_child (id int REFERENCES log_parent ON DELETE CASCADE, v text);
CREATE FUNCTION log_delete() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO public.log VALUES (OLD.id, TG_OP); RETURN OLD; END';
CREATE TRIGGER log AFTER DELETE ON log_child FOR EACH ROW EXECUTE FUNCTION log_delete();
CREATE TABLE self_logged (id int, v text);
CREATE FUNCTION write_self() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN UPDATE public.self_logged SET v = NULL; RETURN NULL; END';
CREATE TRIGGER again AFTER INSERT ON self_logged EXECUTE FUNCTION write_self();
CREATE TABLE pieces (id int, v text) PARTITION BY LIST (id);
CREATE TABLE pieces_1 PARTITION OF pieces FOR VALUES IN (1);
CREATE TRIGGER log AFTER DELETE ON pieces_1 FOR EACH ROW EXECUTE FUNCTION log_delete();
CREATE FUNCTION instead_insert() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO public.log VALUES (1); RETURN NEW; END';
CREATE VIEW instead_logged AS SELECT * FROM branches;
CREATE TRIGGER instead INSTEAD OF INSERT ON instead_logged FOR EACH ROW
  EXECUTE FUNCTION instead_insert();
CREATE TABLE deferred_logged (id int, v text);
CREATE CONSTRAINT TRIGGER log AFTER INSERT ON deferred_logged DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION write_log();

-- An overload that applies to values of one type, which come as an argument, a row, a variable.
CREATE SCHEMA moods;
CREATE FUNCTION moods.after(mood, mood) RETURNS bool LANGUAGE sql AS
  'DELETE FROM public.branches; SELECT true';
CREATE OPERATOR moods.> (LEFTARG = mood, RIGHTARG = mood, FUNCTION = moods.after);
CREATE FUNCTION compares_argument(mood) RETURNS bool LANGUAGE sql STABLE AS
  'SELECT $1 > ''sad''';
CREATE FUNCTION compares_any(anyelement) RETURNS bool LANGUAGE sql STABLE AS
  'SELECT $1 > $1';
CREATE FUNCTION compares_variable() RETURNS bool LANGUAGE plpgsql STABLE AS $$
DECLARE r record; found_one bool := false;
BEGIN
  LOOP
    EXIT WHEN found_one;
    found_one := r.m > 'sad';
    SELECT * INTO r FROM public.typed;
  END LOOP;
  RETURN found_one;
END $$;
CREATE FUNCTION compares_numbers(int) RETURNS bool LANGUAGE sql STABLE AS 'SELECT $1 > 1';
CREATE TABLE mooded (id int, m mood);
CREATE FUNCTION compares_row() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN IF NEW.m > OLD.m THEN RETURN NULL; END IF; RETURN NEW; END';
CREATE TRIGGER compares AFTER UPDATE ON mooded FOR EACH ROW EXECUTE FUNCTION compares_row();

-- Rows by key.
CREATE TABLE owners (id int PRIMARY KEY, name varchar(4) UNIQUE, other numeric UNIQUE);
CREATE TABLE owned (id bigint PRIMARY KEY, owner int REFERENCES owners, part uuid DEFAULT gen_random_uuid() UNIQUE,
                    flag bool, n int GENERATED ALWAYS AS (1) STORED UNIQUE, p positive UNIQUE);
CREATE VIEW owned_view AS SELECT * FROM owned;
CREATE TABLE keyed_base (id int PRIMARY KEY);
CREATE TABLE keyed_derived (extra int UNIQUE) INHERITS (keyed_base);
CREATE TABLE blind_words (word text COLLATE "und-x-icu" UNIQUE, id int PRIMARY KEY);

-- An equality of a user's that is understood.
CREATE FUNCTION moods.alike(text, text) RETURNS bool LANGUAGE sql IMMUTABLE AS
  'SELECT true';
CREATE OPERATOR moods.= (LEFTARG = text, RIGHTARG = text, FUNCTION = moods.alike);
CREATE PROCEDURE pays(int, int) LANGUAGE plpgsql AS 'BEGIN PERFORM deposit($1, $2); END';
CREATE PROCEDURE pays_and_says(int, OUT said text) LANGUAGE plpgsql AS
  $$BEGIN PERFORM deposit($1, 1); said := 'done'; END$$;
CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
