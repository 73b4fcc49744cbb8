"""Certificates for tests, made by the openssl command in a directory of their own."""

import os
import pwd
import shutil
import subprocess

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def openssl(*arguments, directory):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


class Certificates:
    """Files <name>.crt and <name>.key in `directory`; the keys as private as PostgreSQL wants."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o755)

    def path(self, name):
        return os.path.join(self.directory, name)

    def authority(self, name):
        """A root certificate."""
        self._key(name)
        openssl("req", "-x509", "-key", f"{name}.key", "-days", "30", "-subj", f"/CN={name}",
                "-out", f"{name}.crt", directory=self.directory)

    def issue(self, name, authority, common_name="localhost", names=NAMES, days=30):
        """A certificate of `authority`; with days < 0 one that has expired."""
        self._key(name)
        openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={common_name}", "-out",
                f"{name}.csr", directory=self.directory)
        with open(self.path("extensions"), "w") as file:
            file.write(names + "\n" if names else "basicConstraints=CA:FALSE\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.crt", "-CAkey",
                f"{authority}.key", "-CAcreateserial", "-days", str(days), "-extfile",
                "extensions", "-out", f"{name}.crt", directory=self.directory)

    def _key(self, name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                f"{name}.key", directory=self.directory)
        os.chmod(self.path(f"{name}.key"), 0o600)

    def give_to_server(self, server, name, authority):
        """The files that a PostgresServer's ssl_* settings name: server.crt, server.key, root.crt."""
        for source, target in ((f"{name}.crt", "server.crt"), (f"{name}.key", "server.key"),
                               (f"{authority}.crt", "root.crt")):
            path = os.path.join(server.data, target)
            shutil.copy(self.path(source), path)
            os.chmod(path, 0o600)
            if os.geteuid() == 0:
                user = pwd.getpwnam("postgres")
                os.chown(path, user.pw_uid, user.pw_gid)
