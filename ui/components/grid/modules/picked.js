// A page that somebody put together in Explore: leased there, answered in the Label view.

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
