"""The JDBC driver through the proxy: JdbcTest.java, compiled here and run once."""

import os
import subprocess
import tempfile

import harness
from harness import ServerCase

DRIVER = "/usr/share/java/postgresql.jar"
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "JdbcTest.java")


class Jdbc(ServerCase):
    SETUP = """
    CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(10,2));
    INSERT INTO item SELECT n, 'item ' || n, n + 0.5 FROM generate_series(1, 100) n;
    CREATE TABLE batched (id int, line text);
    """

    def test_driver(self):
        with tempfile.TemporaryDirectory() as classes:
            built = subprocess.run(["javac", "-cp", DRIVER, "-d", classes, SOURCE],
                                   capture_output=True, text=True, timeout=180)
            self.assertEqual(built.returncode, 0, built.stderr)
            done = subprocess.run(
                ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{DRIVER}", "JdbcTest",
                 f"jdbc:postgresql://127.0.0.1:{self.proxy.port}/postgres"],
                capture_output=True, text=True, timeout=180)
            self.assertEqual((done.returncode, done.stdout.strip()), (0, "ok"),
                             done.stdout + done.stderr)


if __name__ == "__main__":
    harness.main()
