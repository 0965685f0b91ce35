// A browser that came by itself and cannot be served is sent to /?error=CODE. The page says what that means; of the code
// itself, which anybody may have written, it shows nothing.
(function () {
	var sentences = {
		denied: "You were not let in: there is no account for you here, it is disabled, or your address is not verified. Ask an administrator.",
		invalid: "This sign-in was begun in another browser, or too long ago. Begin it again.",
		network: "The sign-in provider cannot be reached. Try again later.",
		not_found: "There is no sign-in provider here.",
		overloaded: "The server has too much to do. Try again soon.",
		rate_limited: "That was too often. Wait a minute, then try again.",
		timeout: "The sign-in provider did not answer in time. Try again later.",
		unauthenticated: "The sign-in was used already, or does not count. Begin it again."
	};
	var code = new URLSearchParams(location.search).get("error");
	var place = document.getElementById("error");
	if (code === null)
		return;
	place.textContent = Object.prototype.hasOwnProperty.call(sentences, code) ? sentences[code] : "That did not work. Try again.";
	place.hidden = false;
})();
