"""The manifests parse and keep their promises; kubectl and a cluster are not needed."""

import os
import pathlib
import re
import subprocess
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"


def load(name):
    return list(yaml.safe_load_all((K8S / name).read_text()))


class Manifests(unittest.TestCase):
    def setUp(self):
        (self.deployment,) = load("deployment.yaml")
        self.pod = self.deployment["spec"]["template"]["spec"]
        (self.sidecar,) = self.pod["initContainers"]
        (self.app,) = self.pod["containers"]

    def test_kustomization_names_files_that_exist(self):
        (kustomization,) = load("kustomization.yaml")
        for name in kustomization["resources"]:
            self.assertTrue(load(name), name)
        for generator in kustomization["configMapGenerator"]:
            for name in generator["files"]:
                self.assertTrue((K8S / name).is_file(), name)

    def test_native_sidecar(self):
        self.assertEqual(self.sidecar["restartPolicy"], "Always")
        labels = self.deployment["spec"]["template"]["metadata"]["labels"]
        for key, value in self.deployment["spec"]["selector"]["matchLabels"].items():
            self.assertEqual(labels[key], value)

    def test_probes(self):
        ports = {port["name"] for port in self.sidecar["ports"]}
        for probe, path in (("startupProbe", "/readyz"), ("livenessProbe", "/healthz"),
                            ("readinessProbe", "/readyz")):
            self.assertEqual(self.sidecar[probe]["httpGet"]["path"], path)
            self.assertIn(self.sidecar[probe]["httpGet"]["port"], ports)

    def test_security(self):
        self.assertEqual(self.pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault")
        self.assertTrue(self.pod["securityContext"]["runAsNonRoot"])
        for container in (self.sidecar, self.app):
            context = container["securityContext"]
            self.assertIs(context["allowPrivilegeEscalation"], False)
            self.assertIs(context["readOnlyRootFilesystem"], True)
            self.assertIs(context["runAsNonRoot"], True)
            self.assertEqual(context["capabilities"]["drop"], ["ALL"])

    def test_resources(self):
        for container in (self.sidecar, self.app):
            self.assertIn("memory", container["resources"]["limits"])
            self.assertLessEqual({"cpu", "memory"}, set(container["resources"]["requests"]))

    def test_drain(self):
        self.assertIn("preStop", self.sidecar["lifecycle"])
        self.assertGreaterEqual(self.pod["terminationGracePeriodSeconds"], 45)

    def test_the_application_talks_to_the_sidecar(self):
        (secret,) = load("secret.yaml")

        def value(container, name):
            (variable,) = [entry for entry in container["env"] if entry["name"] == name]
            reference = variable["valueFrom"]["secretKeyRef"]
            self.assertEqual(reference["name"], secret["metadata"]["name"])
            return secret["stringData"][reference["key"]]

        self.assertIn("@127.0.0.1:6432/", value(self.app, "DATABASE_URL"))
        self.assertNotIn("127.0.0.1", value(self.sidecar, "PGSIDECAR_UPSTREAM"))
        toml = (K8S / "pgsidecar.toml").read_text()
        self.assertIn('listen = "127.0.0.1:6432"', toml)
        port = {port["name"]: port["containerPort"] for port in self.sidecar["ports"]}["http"]
        self.assertIn(f'http_listen = "0.0.0.0:{port}"', toml)
        mount = self.sidecar["volumeMounts"][0]["mountPath"]
        self.assertEqual(self.sidecar["args"], ["--config", f"{mount}/pgsidecar.toml"])

    def test_configuration_is_accepted(self):
        """The binary reads the file and complains about the missing upstream only."""
        binary = os.environ.get("PGSIDECAR_BINARY")
        if not binary:
            self.skipTest("no binary")
        done = subprocess.run([binary, "--config", str(K8S / "pgsidecar.toml")],
                              capture_output=True, text=True, timeout=20,
                              env={"PATH": os.environ["PATH"]})
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("upstream", done.stderr)

    def test_dockerfile(self):
        text = (K8S / "Dockerfile").read_text()
        stages = re.findall(r"(?m)^FROM (\S+)", text)
        self.assertEqual(stages, ["debian:bookworm", "debian:bookworm-slim"])
        last = text[text.rindex("\nFROM "):]
        self.assertRegex(last, r"(?m)^USER [1-9]\d*")
        self.assertIn("ENTRYPOINT", last)
        self.assertNotIn("-dev", last)


if __name__ == "__main__":
    unittest.main()
