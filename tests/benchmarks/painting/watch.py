"""A browser that times itself: from an event to the frame after the one that shows what came of it."""

from dataclasses import dataclass

import numpy as np
from playwright.sync_api import Page

# `event.timeStamp` is when the browser got the event. The first animation frame after a change draws it; in the
# second it is on the screen. A frame is over when a message that was sent in it arrives.
SCRIPT = """
(() => {
  const grid = () => [...document.querySelectorAll("*")].map((each) => each.shadowRoot?.querySelector(".hf")).find(Boolean);
  window.timed = { turns: [], kicks: [], ranges: [], names: [] };
  const twoFrames = (then) => requestAnimationFrame(() => requestAnimationFrame(then));
  const oneFrame = (then) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = then;
    channel.port2.postMessage(0);
  });
  const token = () => grid()?.querySelector(".grid")?.dataset.token;
  window.addEventListener("keydown", (event) => {
    const { key, timeStamp } = event;
    const before = token();
    queueMicrotask(() => twoFrames(() => {
      const taken = performance.now() - timeStamp;
      if (key === "Enter" && token() !== before) window.timed.turns.push(taken);
      if (/^[0-9]$/.test(key)) window.timed.names.push(taken);
    }));
  }, { capture: true });
  window.addEventListener("pointerdown", ({ timeStamp, shiftKey }) => {
    const into = shiftKey ? window.timed.ranges : window.timed.kicks;
    queueMicrotask(() => oneFrame(() => into.push(performance.now() - timeStamp)));
  }, { capture: true });
})();
"""


@dataclass(frozen=True)
class Times:
    """Milliseconds of what was done several times."""

    taken: tuple[float, ...]

    def told(self) -> dict[str, float]:
        """Median, 95th percentile and the longest, in ms; empty when it was never done."""
        if not self.taken:
            return {}
        middle, late = np.percentile(self.taken, [50, 95])
        return {
            "times": len(self.taken),
            "p50_ms": round(float(middle), 1),
            "p95_ms": round(float(late), 1),
            "max_ms": round(max(self.taken), 1),
        }


def timed(page: Page, kind: str) -> list[float]:
    """What was timed since the page was loaded: turns, kicks, ranges or names."""
    found: list[float] = page.evaluate("kind => window.timed[kind]", kind)
    return found
