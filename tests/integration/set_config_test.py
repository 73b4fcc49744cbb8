"""set_config with a value that the text does not say: nobody else ever runs under it."""

import harness
from harness import ServerCase

VALUES = {"search_path": "pg_catalog", "work_mem": "2MB", "role": "pg_monitor",
          "application_name": "somebody", "my.tenant": "7"}
# %s is the value as a literal.
FORMS = {"a parameter appended": "%s || $1", "an expression": "coalesce(%s, '')"}


class SetConfig(ServerCase):
    def test_it_stays_with_its_session(self):
        for name, value in VALUES.items():
            for what, form in FORMS.items():
                with self.subTest(name, form=what):
                    one, other = self.wire(), self.wire()
                    look = f"SELECT current_setting('{name}', true)"
                    before = other.query(look)
                    expression = form % f"'{value}'"
                    one.extended(f"SELECT set_config('{name}', {expression}, false)",
                                 [""] if "$1" in form else [])
                    self.assertEqual(other.query(look), before)
                    self.assertEqual(one.query(look), [[value]])


if __name__ == "__main__":
    harness.main()
