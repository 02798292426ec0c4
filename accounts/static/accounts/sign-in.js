// Tells the server which time zone and region this browser uses, for a person's first sign-in.
const form = document.getElementById("sign-in");
form.elements.time_zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
form.elements.region.value = new Intl.Locale(navigator.language).region ?? "";
