// Small parts. Names that come from data only ever become text.

export function element(name, className = "", properties = {}) {
  const made = document.createElement(name);
  made.className = className;
  Object.assign(made, properties);
  return made;
}

export function text(name, className, content) {
  return element(name, className, { textContent: content });
}

export function button(label, key, act, className = "button") {
  const made = element("button", className, { type: "button" });
  made.append(text("span", "", label), text("kbd", "", key));
  made.addEventListener("click", act);
  return made;
}

export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

export function nextFrame() {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}

// `crypto.randomUUID` is there on https and localhost only.
export function uuid() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((each) => each.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

// Whether the address is that of the Label view, which is the first one: also while the frame draws it anew.
export function isLabelView() {
  return ["", "label"].includes(location.pathname.split("/").at(-1));
}
