// What every request to the routes has in common.

import { say } from "./words.js";

// A POST of JSON, with the header that no page of another site may send; with a `person` it is refused while
// another is signed in.
export function post(body, person = "") {
  const headers = { "Content-Type": "application/json", "X-Hundredfold": "1" };
  if (person) headers["X-Hundredfold-Person"] = encodeURIComponent(person);
  return { method: "POST", headers, body: JSON.stringify(body) };
}

// Why the server said no: {reason, message}.
export async function refusalOf(answer) {
  try {
    return await answer.json();
  } catch {
    return { reason: "", message: say("sign_in.status", { status: String(answer.status) }) };
  }
}
