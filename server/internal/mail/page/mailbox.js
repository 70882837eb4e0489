"use strict";
const { newest, message } = document.body.dataset;
const query = document.querySelector("#query");

document.querySelector("#delete").addEventListener("click", async () => {
  const search = query?.value.trim();
  if (message) {
    await fetch("/api/v1/messages", { method: "DELETE", body: JSON.stringify({ IDs: [message] }) });
  } else if (search) {
    await fetch("/api/v1/search?query=" + encodeURIComponent(search), { method: "DELETE" });
  } else {
    await fetch("/api/v1/messages", { method: "DELETE" });
  }
  location.assign("/");
});

query?.addEventListener("change", () => {
  const search = query.value.trim();
  location.assign(search ? "/?query=" + encodeURIComponent(search) : "/");
});

// The list is loaded anew when a message has come, unless somebody is typing.
if (newest !== undefined) {
  setInterval(async () => {
    const list = await fetch("/api/v1/messages?limit=1").then((r) => r.json(), () => null);
    const id = list?.messages[0]?.ID ?? "";
    if (list && id !== newest && document.activeElement !== query) location.reload();
  }, 2000);
}
