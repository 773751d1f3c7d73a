"""Opens pages in a headless Chromium, each as wide as a phone and as a screen, and tells as JSON
what is wrong with them: errors, what the policy refuses, requests, content that is wider, and what
axe finds that keeps people out (WCAG 2.1 AA and its best practices), in light and in dark.

Speaks the DevTools protocol over two pipes: JSON messages that end with a zero octet, read by the
browser from descriptor 3 and written by it to descriptor 4.
"""

import glob
import json
import os
import signal
import subprocess
import sys
import tempfile

WIDTHS = (360, 1200)
# Two busy cores take a minute for some twenty looks, ten times as busy ones more than five; a
# browser that hangs takes for ever.
PATIENCE_S = 900

SORTS = """
(() => {
  const button = document.querySelector("table.sorts thead th:nth-child(2) button");
  if (!button) return null;
  const table = button.closest("table");
  const column = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[1].dataset.n));
  button.click();
  const down = column();
  button.click();
  const up = column();
  const sorted = (all, order) => all.every((n, at) => at === 0 || order * (all[at - 1] - n) <= 0);
  return sorted(up, 1) && sorted(down, -1) && button.parentNode.ariaSort === "ascending";
})()
"""

AXE = """
axe.run({resultTypes: ["violations"]}).then((found) => found.violations.map((it) =>
  it.id + ": " + it.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | ")))
"""


def axe():
    """The script, where tests/get-python has put it."""
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(os.path.dirname(__file__), "../target")
    found = glob.glob(os.path.join(glob.escape(target), "tmp/python/lib/python3*/site-packages",
                                   "axe_playwright_python/axe.min.js"))
    if not found:
        sys.exit("no axe.min.js: `make setup` gets it (tests/get-python)")
    with open(found[0], encoding="utf-8") as file:
        return file.read()


class Browser:
    def __init__(self, profile):
        from_us, self.to = os.pipe()
        self.back, to_us = os.pipe()

        def descriptors():
            # Above what they are copied to, so that neither copy overwrites the other.
            low, high = os.dup(from_us), os.dup(to_us)
            os.dup2(low, 3)
            os.dup2(high, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--user-data-dir=" + profile,
             "--remote-debugging-pipe", "about:blank"],
            close_fds=False, preexec_fn=descriptors,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(from_us)
        os.close(to_us)
        self.begun = b""
        self.number = 0
        self.events = []

    def message(self):
        while b"\0" not in self.begun:
            part = os.read(self.back, 1 << 16)
            if not part:
                sys.exit("the browser ended")
            self.begun += part
        message, self.begun = self.begun.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.number += 1
        call = {"id": self.number, "method": method, "params": parameters}
        if session:
            call["sessionId"] = session
        os.write(self.to, json.dumps(call).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") != self.number:
                self.events.append(message)
            elif "error" in message:
                sys.exit("%s: %s" % (method, message["error"]))
            else:
                return message["result"]

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())


def look(browser, session, page, width, script):
    browser.events.clear()
    address = "file://" + page
    browser.call("Emulation.setDeviceMetricsOverride", session, width=width, height=800,
                 deviceScaleFactor=1, mobile=width < 600)
    browser.call("Page.navigate", session, url=address)
    browser.wait_for("Page.loadEventFired")

    def value(expression):
        return browser.call("Runtime.evaluate", session, expression=expression,
                            returnByValue=True)["result"].get("value")

    def keeps_out(scheme):
        browser.call("Emulation.setEmulatedMedia", session,
                     features=[{"name": "prefers-color-scheme", "value": scheme}])
        found = browser.call("Runtime.evaluate", session, expression=AXE, awaitPromise=True,
                             returnByValue=True)
        if "exceptionDetails" in found:
            sys.exit("axe: %s" % found["exceptionDetails"])
        return [scheme + ": " + it for it in found["result"]["value"]]

    told = {"width": width, "content_width": value("document.documentElement.scrollWidth"),
            "sorts": value(SORTS)}
    wrong = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    events = browser.events
    told["wrong"] = [event for event in events if event.get("method") in wrong]
    urls = [event["params"]["request"]["url"] for event in events
            if event.get("method") == "Network.requestWillBeSent"]
    told["requests"] = [url for url in urls if url != address]
    # The page's policy is not for what the DevTools evaluate.
    browser.call("Runtime.evaluate", session, expression=script)
    told["keeps_out"] = keeps_out("light") + keeps_out("dark")
    return told


def main():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            target = browser.call("Target.createTarget", url="about:blank")["targetId"]
            session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                browser.call(domain + ".enable", session)
            script = axe()
            looks = [look(browser, session, page, width, script)
                     for page in sys.argv[1:] for width in WIDTHS]
        finally:
            browser.process.kill()
            browser.process.wait()
    json.dump(looks, sys.stdout)


def too_late(*_):
    sys.exit("the browser did not open all pages within %d s" % PATIENCE_S)


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(PATIENCE_S)
    main()
