"""Logins that the proxy judges itself: by auth_file, auth_query and the upstream URL's password, by
each method; the server connections that it then opens as those users; the console's users.
"""

import contextlib
import os
import tempfile
import threading
import unittest

import psycopg

import harness
import wire as w
from harness import DIRECT, PostgresServer, Proxy, connect, psql, wait_until

SETUP = """
CREATE ROLE by_scram LOGIN PASSWORD 'scram secret';
CREATE ROLE never LOGIN;
CREATE ROLE expired LOGIN PASSWORD 'late' VALID UNTIL '2001-01-01';
SET password_encryption = md5;
CREATE ROLE by_md5 LOGIN PASSWORD 'md5 secret';
RESET password_encryption;
CREATE TABLE item (id int PRIMARY KEY, name text);
INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 30) n;
GRANT ALL ON item TO PUBLIC;
"""
ONE = "SELECT name FROM item WHERE id = 1"


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


@unittest.skipIf(DIRECT, "about the proxy only")
class AuthCase(unittest.TestCase):
    AUTH = "scram-sha-256"
    CONF = ()

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="pgsidecar-auth-")
        cls.addClassCleanup(cls.directory.cleanup)
        # md5 for one user: a server that asks for scram-sha-256 would refuse it.
        cls.server = PostgresServer(cls.AUTH, conf=cls.CONF)
        cls.addClassCleanup(cls.server.remove)
        if cls.AUTH == "scram-sha-256":
            cls.server._write("pg_hba.conf",
                              "local all all trust\nhost all by_md5 127.0.0.1/32 md5\n"
                              "host all all 127.0.0.1/32 scram-sha-256\n"
                              "host replication all 127.0.0.1/32 scram-sha-256\n")
        cls.server.start()
        cls.truth = cls.server.connect_locally()
        cls.addClassCleanup(cls.truth.close)
        cls.truth.execute(SETUP)

    def secret(self, user):
        return self.truth.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s",
                                  [user]).fetchone()[0]

    def file(self, name, text):
        path = os.path.join(self.directory.name, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def userlist(self, users):
        lines = "".join(f"{quoted(user)} {quoted(secret)}\n" for user, secret in users.items())
        return self.file("userlist.txt", "; users\n# of the test\n\n" + lines)

    def start(self, *flags, url=None, **more):
        proxy = Proxy(self.server, *flags, url=url, **more)
        self.addCleanup(proxy.stop)
        return proxy

    def start_with(self, users, *flags, method="scram-sha-256", **more):
        return self.start("--auth-type", method, "--auth-file", self.userlist(users), *flags, **more)

    def connect(self, proxy, user, password, **more):
        connection = connect(proxy, user=user, password=password, **more)
        self.addCleanup(connection.close)
        return connection

    def works(self, proxy, user, password):
        with connect(proxy, user=user, password=password) as connection:
            self.assertEqual(connection.execute("SELECT current_user").fetchone(), (user,))
            self.assertEqual(connection.execute(ONE).fetchone(), ("item 1",))

    def refusal(self, proxy, user, password, database="postgres", **parameters):
        """The SQLSTATE and the message with which a login ends."""
        with w.Wire(proxy.port) as connection:
            with self.assertRaises(w.ServerError) as refused:
                connection.start(user, database, password, **parameters)
        return refused.exception.sqlstate, refused.exception.fields["M"]

    def figure(self, proxy, name, **console):
        rows = psql(proxy, "SHOW STATS;", dbname="pgsidecar", **console).splitlines()
        return int(dict(row.split("|")[:2] for row in rows)[name])

    def backends(self, user):
        return self.truth.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = %s AND application_name <> 'truth'"
            " AND backend_type = 'client backend'", [user]).fetchall()


class Userlist(AuthCase):
    def test_passwords_beyond_ascii_are_prepared(self):
        """RFC 4013: a space without a break is a space, a soft hyphen nothing, a Roman nine IX."""
        password = "p\u00e4\u00a0ss\u00ad\u2168"
        self.truth.execute("SET password_encryption = 'scram-sha-256'")
        self.truth.execute(f"CREATE ROLE prepared LOGIN PASSWORD '{password}'")
        self.addCleanup(self.truth.execute, "DROP ROLE prepared")
        self.truth.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO prepared")
        self.addCleanup(self.truth.execute, "DROP OWNED BY prepared")
        for secret in (password, "p\u00e4 ssIX", "pa\u0308 ssIX"):
            for method in ("scram-sha-256", "plain"):
                proxy = self.start_with({"prepared": secret}, method=method)
                for given in (password, "p\u00e4 ssIX"):
                    self.works(proxy, "prepared", given)
                self.assertEqual(self.refusal(proxy, "prepared", "p\u00e4 ss9")[0], "28P01")

    def test_plain_secret_by_each_method(self):
        for method in ("scram-sha-256", "md5", "plain"):
            with self.subTest(method):
                proxy = self.start_with({"by_scram": "scram secret"}, method=method)
                self.works(proxy, "by_scram", "scram secret")
                self.assertEqual(self.refusal(proxy, "by_scram", "wrong"), (
                    "28P01", 'password authentication failed for user "by_scram"'))

    def test_verifier_only(self):
        """The proxy never learns the password: the key that the client's proof gives away, with the
        verifier that the server has as well, lets it in."""
        for method in ("scram-sha-256", "md5"):
            with self.subTest(method):
                proxy = self.start_with({"by_scram": self.secret("by_scram")}, method=method)
                self.works(proxy, "by_scram", "scram secret")
                self.assertEqual(self.refusal(proxy, "by_scram", "wrong")[0], "28P01")

    def test_verifier_of_another_salt(self):
        """The client is right and the proxy cannot log in: a clear error, and no loop."""
        self.truth.execute("ALTER ROLE by_scram PASSWORD 'scram secret'")
        stale = self.secret("by_scram")
        self.truth.execute("ALTER ROLE by_scram PASSWORD 'scram secret'")
        proxy = self.start_with({"by_scram": stale})
        sqlstate, message = self.refusal(proxy, "by_scram", "scram secret")
        self.assertEqual(sqlstate, "28P01")
        self.assertIn("the server refused the proxy's login", message)

    def test_verifier_under_plain(self):
        proxy = self.start_with({"by_scram": self.secret("by_scram")}, method="plain")
        self.works(proxy, "by_scram", "scram secret")
        self.assertEqual(self.refusal(proxy, "by_scram", "wrong")[0], "28P01")

    def test_md5_secret(self):
        for method in ("md5", "plain"):
            with self.subTest(method):
                proxy = self.start_with({"by_md5": self.secret("by_md5")}, method=method)
                self.works(proxy, "by_md5", "md5 secret")
                self.assertEqual(self.refusal(proxy, "by_md5", "wrong")[0], "28P01")
        # Its md5 says nothing of SCRAM's keys.
        proxy = self.start_with({"by_md5": self.secret("by_md5")})
        self.assertEqual(self.refusal(proxy, "by_md5", "md5 secret")[0], "28P01")

    def test_quotes_and_blanks(self):
        odd = 'a "quoted" name'
        self.truth.execute("CREATE ROLE " + quoted(odd) + " LOGIN PASSWORD 'pass \"word\"'")
        proxy = self.start_with({odd: 'pass "word"'})
        self.works(proxy, odd, 'pass "word"')

    def test_unknown_user_and_wrong_password_look_alike(self):
        users = {"by_scram": "scram secret", "empty": ""}
        for method in ("scram-sha-256", "md5", "plain"):
            with self.subTest(method):
                proxy = self.start_with(users, method=method)
                said = []
                for user in ("by_scram", "nobody", "empty"):
                    with w.Wire(proxy.port) as connection:
                        connection.send(w.startup_packet({"user": user, "database": "postgres"}))
                        kind, challenge = connection.read_message()
                        fields = [len(part) for part in challenge.split(b"\0")]
                        connection._answer_challenge(challenge, user, "wrong")
                        rest = connection.read_until_closed()
                    said.append((kind, len(challenge), fields if method != "md5" else 0,
                                 [(k, len(b)) for k, b in rest if k != b"E"],
                                 [w.error_fields(b)["C"] for k, b in rest if k == b"E"],
                                 [w.error_fields(b)["M"].replace(user, "USER")
                                  for k, b in rest if k == b"E"]))
                self.assertEqual(said[0], said[1])
                self.assertEqual(said[0], said[2])

    def test_salt_of_an_unknown_user_stays(self):
        proxy = self.start_with({"by_scram": "scram secret"})

        def challenge(user):
            first = b"n,,n=,r=abcdefghijklmnopqrst"
            with w.Wire(proxy.port) as connection:
                connection.send(
                    w.startup_packet({"user": user, "database": "postgres"}),
                    w.message(b"p", b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first))
                connection.read_message()
                return connection.read_message()[1].decode(errors="replace").split(",")[1:]

        self.assertEqual(challenge("nobody"), challenge("nobody"))
        self.assertNotEqual(challenge("nobody"), challenge("somebody"))
        self.assertEqual(challenge("by_scram"), challenge("by_scram"))

    def test_pool_grows_and_comes_back_by_itself(self):
        for secret in ("scram secret", self.secret("by_scram")):
            with self.subTest(secret[:5]):
                proxy = self.start_with({"by_scram": secret}).wait_for_catalog()
                clients = [self.connect(proxy, "by_scram", "scram secret") for _ in range(4)]
                self.assertEqual(len(self.backends("by_scram")), 1)
                for client in clients:
                    client.execute("BEGIN")
                    client.execute("SELECT random()")
                self.assertEqual(len(self.backends("by_scram")), 4)
                for client in clients:
                    client.execute("COMMIT")
                self.truth.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                   " WHERE usename = 'by_scram'")
                wait_until(lambda: not self.backends("by_scram"), what="the backends to end")
                # The clients have seen nothing of it.
                wait_until(lambda: all(client.execute("SELECT random() < 2").fetchone() == (True,)
                                       for client in clients), what="answers")
                for client in clients:
                    client.close()
                proxy.stop()
                wait_until(lambda: not self.backends("by_scram"), what="the backends to end")

    def test_storm(self):
        """Two hundred logins over five server connections: the server sees at most five."""
        proxy = self.start_with({"by_scram": self.secret("by_scram")}, "--default-pool-size", "5")
        proxy.wait_for_catalog()
        before = self.figure_of_connections(proxy)
        failures = []

        def work():
            try:
                with connect(proxy, user="by_scram", password="scram secret") as connection:
                    for _ in range(2):
                        assert connection.execute("SELECT 1, random() < 2").fetchone() == (1, True)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertLessEqual(self.figure_of_connections(proxy) - before, 5)

    def figure_of_connections(self, proxy):
        return self.figure(proxy, "server_connections_total")

    def test_what_a_client_is_told(self):
        """ParameterStatus of a login that never met the server is the server's; the PID is that of a
        backend of the pool."""
        proxy = self.start_with({"by_scram": "scram secret"}).wait_for_catalog()
        direct = w.Wire.login(self.server.port, "by_scram", password="scram secret",
                              application_name="told")
        self.addCleanup(direct.close)
        for _ in range(2):
            with w.Wire.login(proxy.port, "by_scram", password="scram secret",
                              application_name="told") as client:
                self.assertEqual(client.parameters, direct.parameters)
                pid = int.from_bytes(client.backend_key[:4], "big")
                self.assertEqual(client.query("SELECT pg_backend_pid()"), [[str(pid)]])

    def test_settings_of_a_role_reach_new_sessions(self):
        proxy = self.start_with({"by_scram": "scram secret"}).wait_for_catalog()
        shown = "SELECT current_setting('work_mem')"
        with self.connect(proxy, "by_scram", "scram secret") as client:
            before = client.execute(shown).fetchone()[0]
        try:
            with connect(proxy, password=self.server.password) as admin:
                admin.execute("ALTER ROLE by_scram SET work_mem = '7MB'")
            with self.connect(proxy, "by_scram", "scram secret") as client:
                self.assertEqual(client.execute(shown).fetchone()[0], "7MB")
        finally:
            self.truth.execute("ALTER ROLE by_scram RESET work_mem")
        self.assertNotEqual(before, "7MB")

    def test_who_may_no_longer_log_in(self):
        """NOLOGIN shuts out the next client although the proxy knows its password."""
        proxy = self.start_with({"by_scram": "scram secret"}).wait_for_catalog()
        self.works(proxy, "by_scram", "scram secret")
        self.truth.execute("ALTER ROLE by_scram NOLOGIN")
        try:
            wait_until(lambda: self.is_refused(proxy, "by_scram", "scram secret"),
                       what="the role to be shut out", every=0.3)
        finally:
            self.truth.execute("ALTER ROLE by_scram LOGIN")
        wait_until(lambda: not self.is_refused(proxy, "by_scram", "scram secret"),
                   what="the role to be let in again", every=0.3)

    def is_refused(self, proxy, user, password):
        try:
            connect(proxy, user=user, password=password).close()
            return False
        except psycopg.OperationalError:
            return True

    def test_the_servers_own_errors(self):
        proxy = self.start_with({"by_scram": "scram secret"})
        self.assertEqual(self.refusal(proxy, "by_scram", "scram secret", "nowhere"),
                         ("3D000", 'database "nowhere" does not exist'))

    def test_replication_and_options(self):
        self.truth.execute("ALTER ROLE by_scram REPLICATION")
        proxy = self.start_with({"by_scram": "scram secret"})
        with w.Wire.login(proxy.port, "by_scram", password="scram secret",
                          replication="true") as walsender:
            self.assertEqual(len(walsender.query("IDENTIFY_SYSTEM")), 1)
        with w.Wire.login(proxy.port, "by_scram", password="scram secret",
                          options="-c work_mem=5MB") as client:
            self.assertEqual(client.query("SHOW work_mem"), [["5MB"]])

    def test_protocol_options(self):
        proxy = self.start_with({"by_scram": "scram secret"})
        with w.Wire(proxy.port) as connection:
            connection.send(w.startup_packet(
                {"user": "by_scram", "database": "postgres", "_pq_.feature": "on"}, 196609 + 8))
            kind, body = connection.read_message()
            self.assertEqual((kind, body), (b"v", (196610).to_bytes(4, "big") + b"\0\0\0\1"
                                            + b"_pq_.feature\0"))
            connection.authenticate("by_scram", "scram secret")
            self.assertEqual(connection.query("SELECT 1"), [["1"]])

    def test_cancel(self):
        proxy = self.start_with({"by_scram": "scram secret"})
        with w.Wire.login(proxy.port, "by_scram", password="scram secret") as client:
            client.send(w.query("SELECT pg_sleep(60)"))
            wait_until(lambda: self.truth.execute(
                "SELECT 1 FROM pg_stat_activity WHERE usename = 'by_scram' AND state = 'active'"
                ).fetchall(), what="the query to run")
            w.cancel(proxy.port, client.backend_key)
            with self.assertRaises(w.ServerError) as canceled:
                client.rows(client.read_until_ready())
            self.assertEqual(canceled.exception.sqlstate, "57014")

    def test_no_secret_is_told(self):
        users = {"by_scram": "scram secret", "postgres": self.server.password,
                 "by_md5": self.secret("by_md5")}
        proxy = self.start_with(users, "--log-level", "debug")
        self.works(proxy, "by_scram", "scram secret")
        self.refusal(proxy, "by_scram", "a wrong secret")
        shown = "".join(psql(proxy, f"SHOW {what};", dbname="pgsidecar")
                        for what in ("CONFIG", "POOLS", "CLIENTS", "SERVERS", "STATS"))
        for text in (shown, proxy.stderr()):
            for secret in ("scram secret", "a wrong secret", self.secret("by_md5"),
                           self.secret("by_scram")):
                self.assertNotIn(secret, text)

    def test_memory_is_private(self):
        proxy = self.start_with({"by_scram": "scram secret"})
        with open(f"/proc/{proxy.process.pid}/limits") as limits:
            core = next(line for line in limits if line.startswith("Max core file size"))
        self.assertEqual(core.split()[4:6], ["0", "0"])


class AuthQuery(AuthCase):
    def test_each_kind_of_secret(self):
        proxy = self.start("--auth-type", "md5")
        self.works(proxy, "by_scram", "scram secret")
        self.works(proxy, "by_md5", "md5 secret")
        self.works(proxy, "postgres", self.server.password)

    def test_who_is_not_let_in(self):
        proxy = self.start("--auth-type", "scram-sha-256")
        for user in ("nobody", "never", "by_scram", "expired", "x' OR 'a' = 'a", "by_md5"):
            password = "late" if user == "expired" else "wrong"
            self.assertEqual(self.refusal(proxy, user, password), (
                "28P01", f'password authentication failed for user "{user}"'))

    def test_answers_are_remembered(self):
        proxy = self.start("--auth-type", "scram-sha-256", "--auth-query-ttl", "1h")
        for _ in range(3):
            self.works(proxy, "by_scram", "scram secret")
            self.refusal(proxy, "nobody", "wrong")
        self.assertEqual(self.figure(proxy, "auth_queries_total"), 2)

    def test_changed_password(self):
        """The new password is let in as soon as what is remembered is over, the old one no more;
        the pool takes up the new one."""
        proxy = self.start("--auth-type", "scram-sha-256", "--auth-query-ttl", "500ms")
        first = self.connect(proxy, "by_scram", "scram secret")
        self.truth.execute("ALTER ROLE by_scram PASSWORD 'another'")
        try:
            def enters():
                with contextlib.suppress(psycopg.OperationalError):
                    return self.connect(proxy, "by_scram", "another")

            second = wait_until(enters, what="the new password to be let in", every=0.2)
            self.assertEqual(self.refusal(proxy, "by_scram", "scram secret")[0], "28P01")
            for client in (first, second):
                client.execute("BEGIN")
                self.assertEqual(client.execute(ONE).fetchone(), ("item 1",))
            for client in (first, second):
                client.execute("COMMIT")
        finally:
            self.truth.execute("ALTER ROLE by_scram PASSWORD 'scram secret'")

    def test_other_query_and_user(self):
        self.truth.execute("""
            CREATE ROLE asker LOGIN PASSWORD 'ask';
            CREATE SCHEMA lookup;
            CREATE FUNCTION lookup.secret(who text) RETURNS TABLE (name text, secret text)
                LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
                AS $$ SELECT usename::text, passwd::text FROM pg_shadow WHERE usename = who $$;
            REVOKE ALL ON FUNCTION lookup.secret FROM PUBLIC;
            GRANT USAGE ON SCHEMA lookup TO asker;
            GRANT EXECUTE ON FUNCTION lookup.secret TO asker;
            -- What an unqualified name must not find.
            CREATE TABLE public.pg_shadow AS
                SELECT 'by_scram'::name usename, 'stolen'::text passwd,
                    NULL::timestamptz valuntil;""")
        proxy = self.start_with({"asker": "ask"}, "--auth-user", "asker", "--auth-query",
                                "SELECT * FROM lookup.secret($1)")
        self.works(proxy, "by_scram", "scram secret")
        self.assertEqual(self.refusal(proxy, "nobody", "wrong")[0], "28P01")
        # Who may not read pg_shadow gets an error that says so, not a wrong verdict.
        proxy = self.start_with({"asker": "ask"}, "--auth-user", "asker")
        self.assertEqual(self.refusal(proxy, "by_scram", "scram secret")[0], "58000")
        wait_until(lambda: "permission denied" in proxy.stderr(), what="the log to say why")
        self.works_as_owner_of_search_path()

    def works_as_owner_of_search_path(self):
        self.truth.execute("ALTER ROLE postgres SET search_path = public, pg_catalog")
        try:
            proxy = self.start("--auth-type", "scram-sha-256")
            self.works(proxy, "by_scram", "scram secret")
            self.assertEqual(self.refusal(proxy, "by_scram", "stolen")[0], "28P01")
        finally:
            self.truth.execute("ALTER ROLE postgres RESET search_path")

    def test_the_server_is_away(self):
        server = PostgresServer("scram-sha-256").start()
        self.addCleanup(server.remove)
        proxy = Proxy(server, "--auth-type", "scram-sha-256")
        self.addCleanup(proxy.stop)
        with connect(proxy, password=server.password) as client:
            client.execute("SELECT 1")
        server.stop()
        self.assertEqual(self.refusal(proxy, "somebody", "x")[0], "58000")
        server.start()

        def let_in():
            with contextlib.suppress(psycopg.OperationalError):
                connect(proxy, password=server.password).close()
                return True
        wait_until(let_in, what="a login after the server's return", every=0.3)


class Orders(AuthCase):
    def test_pause_and_kill(self):
        """What an administrator orders holds for the connections of logins, too."""
        proxy = self.start("--auth-type", "scram-sha-256", "--auth-query-ttl", "0").wait_for_catalog()
        self.works(proxy, "by_scram", "scram secret")
        entered = []

        def enter():
            entered.append(self.connect(proxy, "by_scram", "scram secret"))

        for order in ("PAUSE", "KILL"):
            with self.subTest(order):
                psql(proxy, order + ";", dbname="pgsidecar")
                wait_until(lambda: self.truth.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND backend_type = 'client backend'").fetchone() == (0,),
                    what="the server to be left")
                thread = threading.Thread(target=enter)
                thread.start()
                thread.join(0.5)
                self.assertEqual(entered, [])
                psql(proxy, "RESUME;", dbname="pgsidecar")
                thread.join(20)
                self.assertEqual(entered.pop().execute(ONE).fetchone(), ("item 1",))

    def test_disabled(self):
        proxy = self.start_with({"by_scram": "scram secret"})
        self.works(proxy, "by_scram", "scram secret")
        psql(proxy, "DISABLE postgres;", dbname="pgsidecar")
        self.assertEqual(self.refusal(proxy, "by_scram", "scram secret")[0], "57P03")
        psql(proxy, "ENABLE postgres;", dbname="pgsidecar")
        self.works(proxy, "by_scram", "scram secret")

    def test_reload(self):
        """RELOAD reads auth_file again; one with a mistake changes nothing."""
        proxy = self.start_with({"by_scram": "scram secret"}, "--auth-query", "")
        self.works(proxy, "by_scram", "scram secret")
        self.assertEqual(self.refusal(proxy, "by_md5", "md5 secret")[0], "28P01")
        self.userlist({"by_md5": "md5 secret"})
        psql(proxy, "RELOAD;", dbname="pgsidecar")
        self.works(proxy, "by_md5", "md5 secret")
        self.assertEqual(self.refusal(proxy, "by_scram", "scram secret")[0], "28P01")
        self.file("userlist.txt", "nonsense")
        done = psql(proxy, "RELOAD;", dbname="pgsidecar", check=False)
        self.assertIn("userlist.txt:1: expected a user", done.stderr)
        self.works(proxy, "by_md5", "md5 secret")


class UpstreamPassword(AuthCase):
    def test_judged_by_the_url(self):
        proxy = self.start("--auth-type", "scram-sha-256", "--auth-query", "")
        self.works(proxy, "postgres", self.server.password)
        self.assertEqual(self.refusal(proxy, "postgres", "wrong")[0], "28P01")
        self.assertEqual(self.refusal(proxy, "by_scram", "scram secret")[0], "28P01")

    def test_passthrough_pool_of_the_urls_user_comes_back(self):
        proxy = self.start().wait_for_catalog()
        client = self.connect(proxy, "postgres", self.server.password)
        client.execute("SELECT random()")
        others = " FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
        old = self.truth.execute("SELECT pid, pg_terminate_backend(pid)" + others).fetchall()
        wait_until(lambda: not {pid for pid, _ in old} & {
            pid for pid, in self.truth.execute("SELECT pid" + others).fetchall()},
            what="the backends to end")
        wait_until(lambda: client.execute("SELECT random() < 2").fetchone() == (True,),
                   what="an answer")


class Trust(AuthCase):
    def test_on_loopback(self):
        proxy = self.start_with({"by_scram": "scram secret"}, method="trust")
        self.works(proxy, "by_scram", "")
        sqlstate, message = self.refusal(proxy, "by_md5", "")
        self.assertEqual(sqlstate, "28P01")
        self.assertIn("which the proxy does not know", message)

    def test_cert_without_tls(self):
        with self.assertRaisesRegex(AssertionError, "auth-type: expected client_tls_cert_file"):
            self.start_with({"by_scram": "scram secret"}, method="cert")


class Hba(AuthCase):
    def start_hba(self, rules, users=None):
        flags = ["--auth-type", "hba", "--auth-hba-file", self.file("hba.conf", rules)]
        if users:
            flags += ["--auth-file", self.userlist(users)]
        return self.start(*flags)

    def test_first_match_holds(self):
        self.truth.execute("ALTER ROLE by_scram REPLICATION")
        proxy = self.start_hba("""
            # type  database   user      address        method
            local   all        all                      trust
            host    "postgres" never     all            reject
            host    pgsidecar  postgres  127.0.0.1/32   trust
            host    all        by_scram  127.0.0.1 255.255.255.255 scram-sha-256
            host    sameuser   by_md5    samehost       md5
            host    template1,postgres postgres,other ::1/128 trust
            host    template1,postgres postgres,other 127.0.0.0/8 passthrough
            hostssl all        all       all            trust
        """)
        self.works(proxy, "by_scram", "scram secret")
        self.works(proxy, "postgres", self.server.password)
        self.assertEqual(self.refusal(proxy, "never", "x"), (
            "28000", 'pg_hba.conf rejects connection for host "127.0.0.1", user "never", database'
            ' "postgres", no encryption'))
        self.assertEqual(self.refusal(proxy, "by_md5", "md5 secret"), (
            "28000", 'no pg_hba.conf entry for host "127.0.0.1", user "by_md5", database'
            ' "postgres", no encryption'))
        self.assertEqual(self.refusal(proxy, "by_scram", "x", replication="true"), (
            "28000", 'no pg_hba.conf entry for replication connection from host "127.0.0.1", user'
            ' "by_scram", no encryption'))
        self.assertIn("client_logins_total", psql(proxy, "SHOW STATS;", dbname="pgsidecar"))

    def test_bad_files(self):
        for rules, expected in (("host all all all peer", "expected a method"),
                                ("\n\nhost all all 300.0.0.1/8 md5", ":3: expected an address")):
            with self.subTest(rules):
                with self.assertRaisesRegex(AssertionError, expected):
                    self.start_hba(rules)
        with self.assertRaisesRegex(AssertionError, "userlist.txt:5: expected a user in double"):
            self.start_hba("host all all all md5", {"a": 'b', 'c"d\n"e"': ""})


class Console(AuthCase):
    def console(self, proxy, user, password, sql):
        return harness.subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", str(proxy.port), "-U", user,
             "pgsidecar", "-c", sql], capture_output=True, text=True, timeout=30,
            env={**os.environ, "PGPASSWORD": password, "PGSSLMODE": "disable"})

    def test_admins_and_others(self):
        users = {"admin": self.verifier(), "stats": "look", "by_scram": "scram secret"}
        proxy = self.start_with(users, "--admin-users", "admin", "--stats-users", "stats")
        self.works(proxy, "by_scram", "scram secret")
        admin = self.console(proxy, "admin", "scram secret", "SHOW STATEMENTS")
        self.assertIn("FROM item", admin.stdout)
        self.assertEqual(self.console(proxy, "admin", "scram secret", "FLUSH").returncode, 0)
        stats = self.console(proxy, "stats", "look", "SHOW STATEMENTS")
        self.assertEqual(stats.returncode, 0, stats.stderr)
        self.assertTrue(stats.stdout)
        self.assertNotIn("item", stats.stdout)
        refused = self.console(proxy, "stats", "look", "FLUSH")
        self.assertIn("permission denied", refused.stderr)
        for user, password in (("by_scram", "scram secret"), ("admin", "wrong"), ("nobody", "")):
            self.assertNotEqual(self.console(proxy, user, password, "SHOW STATS").returncode, 0)

    def verifier(self):
        return self.secret("by_scram")

    def test_passthrough_asks_for_the_consoles_users(self):
        path = self.userlist({"admin": "secret"})
        proxy = self.start("--admin-users", "admin", "--auth-file", path)
        self.assertEqual(self.console(proxy, "admin", "secret", "SHOW VERSION").returncode, 0)
        self.assertNotEqual(self.console(proxy, "admin", "wrong", "SHOW VERSION").returncode, 0)
        self.works(proxy, "by_scram", "scram secret")

    def test_a_user_without_a_secret(self):
        with self.assertRaisesRegex(AssertionError, "admin_users|admin-users"):
            self.start("--admin-users", "admin")


class RequireAuth(AuthCase):
    def test_what_the_server_asks_must_be_allowed(self):
        for require, refused in (("md5", "server requested SASL authentication"),
                                 ("!scram-sha-256", "server requested SASL authentication"),
                                 ("scram-sha-256", None), ("!password,!none", None)):
            with self.subTest(require):
                proxy = self.start_with({"by_scram": "scram secret"}, "--require-auth", require)
                if refused is None:
                    self.works(proxy, "by_scram", "scram secret")
                    continue
                sqlstate, message = self.refusal(proxy, "by_scram", "scram secret")
                self.assertEqual(sqlstate, "28000")
                self.assertIn(f'authentication method requirement "{require}" failed: {refused}',
                              message)

    def test_in_the_url_and_for_a_relayed_login(self):
        proxy = self.start(url=self.server.url() + "?require_auth=md5")
        self.assertIn("server requested SASL authentication",
                      self.refusal(proxy, "by_scram", "scram secret")[1])
        self.works(proxy, "by_md5", "md5 secret")

    def test_words(self):
        with self.assertRaisesRegex(AssertionError, "require.auth: expected"):
            self.start("--require-auth", "kerberos")


class TrustedServer(AuthCase):
    AUTH = "trust"

    def test_none_must_be_allowed(self):
        proxy = self.start_with({"by_scram": "scram secret"})
        self.works(proxy, "by_scram", "scram secret")
        self.assertEqual(self.refusal(proxy, "by_scram", "wrong")[0], "28P01")
        proxy = self.start_with({"by_scram": "scram secret"}, "--require-auth", "scram-sha-256")
        self.assertIn("server did not complete authentication",
                      self.refusal(proxy, "by_scram", "scram secret")[1])


if __name__ == "__main__":
    harness.main()
