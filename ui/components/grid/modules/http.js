// What every request to the routes has in common.

// A POST of JSON, with the header that no page of another site may send.
export function post(body) {
  return {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Hundredfold": "1" },
    body: JSON.stringify(body),
  };
}

// Why the server said no: {reason, message}.
export async function refusalOf(answer) {
  try {
    return await answer.json();
  } catch {
    return { reason: "", message: `status ${answer.status}` };
  }
}
