// The page works without this. With it: countdowns run, the page stays fresh, and a press on a bad line is kept on the
// phone and sent again under the same request id until the service has it.
"use strict";
(function () {
  var main = document.querySelector("main");
  var kept = "dutyroom:" + location.pathname;
  var offset = Number(main.dataset.now) - Date.now();

  function two(n) {
    return (n < 10 ? "0" : "") + n;
  }
  function tick() {
    document.querySelectorAll("[data-by]").forEach(function (b) {
      var s = Math.floor(Math.abs(Number(b.dataset.by) - Date.now() - offset) / 1000);
      var h = Math.floor(s / 3600);
      b.textContent = (h ? h + ":" : "") + two(Math.floor((s % 3600) / 60)) + ":" + two(s % 60);
    });
  }
  function read() {
    try {
      return JSON.parse(localStorage.getItem(kept)) || [];
    } catch (e) {
      return [];
    }
  }
  function keep(list) {
    try {
      localStorage.setItem(kept, JSON.stringify(list));
      return true;
    } catch (e) {
      return false; // a private window keeps nothing: the form goes the plain way
    }
  }
  function say(text) {
    document.getElementById("said").textContent = text;
  }
  function show(html) {
    var page = new DOMParser().parseFromString(html, "text/html").querySelector("main");
    if (!page) return;
    main.replaceWith(page);
    main = page;
    if (main.dataset.now) offset = Number(main.dataset.now) - Date.now();
    tick();
  }
  var busy = false;
  function send() {
    var list = read();
    if (busy || !list.length) return;
    busy = true;
    fetch(list[0].to, {
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: list[0].body,
    })
      .then(function (answer) {
        if (answer.status >= 500 || answer.status === 429) throw new Error("again");
        keep(read().slice(1));
        return answer.text().then(show);
      })
      .then(
        function () {
          busy = false;
          send();
        },
        function () {
          busy = false;
          say(main.dataset.waiting || "");
        },
      );
  }
  document.addEventListener("submit", function (event) {
    var form = event.target;
    var body = new URLSearchParams(new FormData(form)).toString();
    if (!keep(read().concat([{ to: form.getAttribute("action"), body: body }]))) return;
    event.preventDefault();
    form.querySelectorAll("button").forEach(function (b) {
      b.disabled = true;
    });
    send();
  });
  window.addEventListener("online", send);
  setInterval(tick, 1000);
  setInterval(function () {
    if (read().length) return send();
    var typing = document.activeElement && document.activeElement.tagName === "TEXTAREA";
    var written = document.querySelector("textarea") && document.querySelector("textarea").value;
    if (typing || written || document.hidden || busy) return;
    fetch(location.pathname + location.search).then(
      function (answer) {
        if (answer.ok && !busy) answer.text().then(show);
      },
      function () {},
    );
  }, 10000);
  tick();
  send();
})();
