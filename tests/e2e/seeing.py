"""What can be read, and what can be told apart, measured in the browser: contrast as WCAG 2.2 defines it."""

import io
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

AA_MARK = 3.0
"""The least contrast of what marks the focus (1.4.11, 2.4.7)."""

_RING = 6  # pixels round a control that its mark may take
_NAMED = frozenset(
    [
        "button",
        "checkbox",
        "combobox",
        "dialog",
        "image",
        "img",
        "link",
        "listbox",
        "menuitem",
        "meter",
        "option",
        "progressbar",
        "radio",
        "searchbox",
        "slider",
        "spinbutton",
        "switch",
        "tab",
        "textbox",
        "treeitem",
    ]
)

_FAINT_TEXT = """() => {
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (css) => {
    if (!known.has(css)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = css;
      pen.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
      known.set(css, [red, green, blue, alpha / 255]);
    }
    return known.get(css);
  };
  const over = (below, [r, g, b, a], share = 1) => below.map((each, at) => each + ([r, g, b][at] - each) * a * share);
  const light = (rgb) => rgb.map((each) => each / 255).map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const parent = (each) => each.assignedSlot ?? each.parentElement ?? each.getRootNode().host ?? null;
  const line = (each) => { const found = []; for (let at = each; at; at = parent(at)) found.unshift(at); return found; };
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  // What is behind an element, and how much of it shows through: groups that are half transparent count for all in them.
  const behind = (elements) => {
    let ground = dark ? [0, 0, 0] : [255, 255, 255], share = 1;
    for (const each of elements) {
      const style = getComputedStyle(each);
      share *= Number(style.opacity);
      ground = over(ground, rgba(style.backgroundColor), share);
    }
    return { ground, share };
  };
  const all = function* (root) {
    for (const each of root.querySelectorAll("*")) {
      yield each;
      if (each.shadowRoot) yield* all(each.shadowRoot);
    }
  };
  const onScreen = (box) => box.width > 1 && box.height > 1 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
  const hidden = (each) => !each.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true })
    || line(each).some((above) => above.inert || getComputedStyle(above).clipPath === "inset(50%)");
  const where = (each) => `${each.tagName.toLowerCase()}.${[...each.classList].filter((name) => !name.startsWith("st-emotion") && !/^e[0-9a-z]{7,}$/.test(name)).join(".")}`;
  const found = [];
  const tell = (each, what, ratio, least) => found.push({ what: `${where(each)} ${what}`, ratio: Math.round(100 * ratio) / 100, least });
  for (const each of all(document)) {
    if (each.closest("[disabled]") || !onScreen(each.getBoundingClientRect()) || hidden(each)) continue;
    const style = getComputedStyle(each);
    const words = [...each.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join(" ").trim()
      || (each.matches("input:not([type=checkbox], [type=radio], [type=range], [type=color], [type=file]), textarea") ? each.value || each.placeholder : "");
    const elements = line(each);
    if (words && !["STYLE", "SCRIPT", "TITLE", "OPTION", "DESC"].includes(each.tagName)) {
      const { ground, share } = behind(elements);
      const drawn = each.value === "" && each.placeholder ? getComputedStyle(each, "::placeholder").color : each instanceof SVGElement ? style.fill : style.color;
      const size = Number.parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) || /Material/.test(style.fontFamily);
      const least = large ? 3 : 4.5;
      const ratio = contrast(over(ground, rgba(drawn), share), ground);
      if (ratio < least) tell(each, `“${words.slice(0, 40)}”`, ratio, least);
    }
    // The edge of a field: its border, or what its ground differs by from what is around it.
    if (each.matches("select, .picker, .comment, .field, .box, [data-testid=stTextInputRootElement], [data-testid=stTextAreaRootElement], [data-testid=stNumberInputContainer], .react-aria-ComboBox > div")) {
      const { ground: outside } = behind(elements.slice(0, -1));
      const { ground: inside, share } = behind(elements);
      const edge = Number.parseFloat(style.borderTopWidth) ? contrast(over(outside, rgba(style.borderTopColor), share), outside) : 1;
      const ratio = Math.max(edge, contrast(inside, outside));
      if (ratio < 3) tell(each, "edge", ratio, 3);
    }
  }
  return found;
}"""

_FOCUSED = """() => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  if (!at || at === document.body) return null;
  window.hundredfoldSeen ??= new WeakMap();
  const seen = window.hundredfoldSeen.has(at);
  window.hundredfoldSeen.set(at, true);
  const { x, y, width, height } = at.getBoundingClientRect();
  const words = at.ariaLabel || at.title || at.innerText?.trim().slice(0, 40) || at.placeholder || "";
  return { seen, box: { x, y, width, height }, what: `${at.tagName.toLowerCase()}.${at.className} ${words}` };
}"""


@dataclass(frozen=True)
class Focused:
    """A control that Tab led to, and how much its look changed by that: the highest contrast of a pixel."""

    what: str
    change: float


def faint(page: Page) -> list[str]:
    """Every text in view, and every edge of a field, that has less contrast than it needs."""
    return sorted(
        {
            f"{each['what']}: {each['ratio']} < {each['least']}"
            for each in page.evaluate(_FAINT_TEXT)
        }
    )


def nameless(page: Page) -> list[str]:
    """Every control and image without a name for who can't see it, as the browser tells a screen reader."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return sorted(
        {
            f"{role} in {each.get('parentId')}: {each.get('properties', [])[:1]}"
            for each in nodes
            if not each.get("ignored")
            and (role := each["role"]["value"]) in _NAMED
            and not each.get("name", {}).get("value", "").strip()
        }
    )


def tab_through(page: Page, most: int = 150) -> list[Focused]:
    """Press Tab until it leads to what was there before, or out of the page.

    Raises:
        AssertionError: it leads nowhere else any more, or does not come to an end.
    """
    found: list[Focused] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        at = page.evaluate(_FOCUSED)
        if at is None or at["seen"]:
            return found
        found.append(Focused(at["what"], _change(page, at["box"])))
    raise AssertionError(f"Tab does not come to an end: {found[-3:]}")


def _change(page: Page, box: dict[str, float]) -> float:
    """The highest contrast between a pixel round the control with the focus and without it."""
    size = cast(dict[str, int], page.viewport_size)
    left, top = max(0.0, box["x"] - _RING), max(0.0, box["y"] - _RING)
    clip: Any = {
        "x": left,
        "y": top,
        "width": min(size["width"], box["x"] + box["width"] + _RING) - left,
        "height": min(size["height"], box["y"] + box["height"] + _RING) - top,
    }
    if clip["width"] < 1 or clip["height"] < 1:
        return 0.0  # out of sight
    with_focus = _pixels(page.screenshot(clip=clip, animations="disabled"))
    page.evaluate(_BLUR)
    without = _pixels(page.screenshot(clip=clip, animations="disabled"))
    page.evaluate("window.hundredfoldAt.focus({ preventScroll: true, focusVisible: true })")
    low, high = np.minimum(with_focus, without), np.maximum(with_focus, without)
    return float(((high + 0.05) / (low + 0.05)).max())


_BLUR = """() => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  window.hundredfoldAt = at;
  at.blur();
}"""


def _pixels(png: bytes) -> NDArray[np.float64]:
    """The relative luminance of each pixel."""
    rgb = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float64) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return cast(NDArray[np.float64], linear @ np.array([0.2126, 0.7152, 0.0722]))
