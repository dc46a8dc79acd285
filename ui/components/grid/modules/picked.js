// A page that somebody put together in Explore, or pairs that he asked for in Review: leased there, answered in the
// Label view.

const KEY = "hundredfold:picked";

// Keep a lease until the Label view comes for it.
export function handOver(collection, lease) {
  sessionStorage.setItem(KEY, JSON.stringify({ collection, lease }));
}

// The lease that was kept for a collection, once; null when there is none.
export function takeOver(collection) {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  if (kept?.collection !== collection) return null;
  sessionStorage.removeItem(KEY);
  return kept.lease;
}

export function goToLabel() {
  const links = [...document.querySelectorAll("header a[href]")];
  const link = links.find((each) => ["/", "/label"].includes(new URL(each.href).pathname));
  if (link) link.click(); else location.assign(`/${location.search}`);
}
