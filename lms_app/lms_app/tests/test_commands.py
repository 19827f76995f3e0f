import json
import subprocess
import sys

import frappe

from lms_app.tests.site_case import SiteTestCase


def speak():
    """Print a word, let a program print another, and return an answer."""
    print("a word")
    subprocess.run(["echo", "a word of a program"], check=True)
    return "an answer"


class TestAnswerCalls(SiteTestCase):
    def ask(self, *calls):
        """Run the command as schoolctl does, and return its answers."""
        usual = {"site": frappe.local.site, "arguments": {}, "stdin": ""}
        lines = "".join(json.dumps({"id": number, **usual, **call}) + "\n" for number, call in enumerate(calls))
        bench = [sys.executable, "-m", "frappe.utils.bench_helper", "frappe", "answer-calls"]
        done = subprocess.run(bench, input=lines, capture_output=True, text=True, cwd=frappe.local.sites_path)
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([answer.pop("id") for answer in answers], [*range(len(calls))])
        return answers

    def test_each_call_is_answered_and_one_that_fails_does_not_end_the_next(self):
        first, refused, missing, last = self.ask(
            {"function": "frappe.get_installed_apps"},
            {"function": "lms_app.access.login_link", "arguments": {"user": "nobody"}},
            {"function": "frappe.get_installed_apps", "site": "no-such-site"},
            {"function": "frappe.utils.get_site_name", "arguments": {"hostname": "a.example:80"}},
        )
        self.assertIn("lms_app", first["result"])
        self.assertIn("nobody", refused["fault"])
        self.assertIn("fault", missing)
        self.assertEqual(last, {"result": "a.example"})

    def test_what_a_function_and_its_programs_print_is_no_answer(self):
        first, second = self.ask({"function": f"{__name__}.speak"}, {"function": f"{__name__}.speak"})
        self.assertEqual(first, second)
        self.assertEqual(first, {"result": "an answer"})

    def test_what_a_failing_call_wrote_is_taken_back(self):
        before = frappe.db.count("ToDo")
        todo = {"doctype": "ToDo", "description": "kept by nobody", "status": "no such status"}
        [refused] = self.ask({"function": "frappe.client.insert", "arguments": {"doc": todo}})
        self.assertIn("fault", refused)
        frappe.db.rollback()
        self.assertEqual(frappe.db.count("ToDo"), before)
