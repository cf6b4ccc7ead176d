// A link from another site comes without the cookie (SameSite=Strict), though this browser may be signed in.
// A request from this page carries it: where it is good, load the page that was asked for.
const form = document.getElementById("sign-in");
const answer = await fetch(form.dataset.session, { credentials: "same-origin" });
if (answer.ok) location.replace(form.elements.next.value);
