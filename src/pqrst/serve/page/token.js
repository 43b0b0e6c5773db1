/** What the server asks for beside the request; it is kept until the tab is closed, and goes nowhere but to this server. */
const KEPT = "pqrst-token";
let asking = null;

export function authorization() {
  const token = sessionStorage.getItem(KEPT);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Asks for the token once, however many requests were refused together; says whether there is another to try with than they used. */
export function askForToken(used) {
  if (authorization().Authorization !== used.Authorization) return true;
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token");
    const text = document.getElementById("token-text");
    document.getElementById("token-wrong").hidden = !sessionStorage.getItem(KEPT);
    text.value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      asking = null;
      const given = dialog.returnValue === "given";
      if (given) sessionStorage.setItem(KEPT, text.value.trim());
      else sessionStorage.removeItem(KEPT);
      text.value = "";
      resolve(given);
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}
