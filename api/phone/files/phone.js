// The page works without this. With it: countdowns run, the page stays fresh, photos are made small, and a press on a
// bad line is kept on the phone with its time and sent again under the same request id until the service has it.
"use strict";
(function () {
  var main = document.querySelector("main");
  var kept = "dutyroom:" + location.pathname;
  var offset = Number(main.dataset.now) - Date.now();
  var busy = false;
  var trouble = "waiting";

  function two(n) {
    return (n < 10 ? "0" : "") + n;
  }
  function clock(ms) {
    var d = new Date(ms);
    return two(d.getHours()) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds());
  }
  function tick() {
    document.querySelectorAll("[data-by]").forEach(function (b) {
      var left = Number(b.dataset.by) - Date.now() - offset;
      var s = Math.floor(Math.abs(left) / 1000);
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
      if (list.length) localStorage.setItem(kept, JSON.stringify(list));
      else localStorage.removeItem(kept);
      return true;
    } catch (e) {
      return false; // a private window keeps nothing, a full one no photo: the form goes the plain way
    }
  }
  // What is not sent yet stands on the page, each press with its time, until the service has it.
  function say(how) {
    var said = document.getElementById("said");
    var list = read();
    if (!said) return;
    if (!list.length) {
      if (said.dataset.pending) said.textContent = said.dataset.pending = "";
      return;
    }
    said.textContent = "";
    said.dataset.pending = "1";
    var box = document.createElement("div");
    box.className = "pending " + how;
    var head = document.createElement("b");
    head.textContent = main.dataset[how] || "";
    box.appendChild(head);
    if (how === "troubled") {
      var call = document.querySelector('nav a[href^="tel:"]');
      if (call) {
        box.appendChild(document.createTextNode(" "));
        box.appendChild(call.cloneNode(true));
      }
    }
    var rows = document.createElement("ul");
    list.forEach(function (press) {
      var row = document.createElement("li");
      row.textContent = clock(press.at) + " " + press.label;
      rows.appendChild(row);
    });
    box.appendChild(rows);
    said.appendChild(box);
  }
  // Only a page of ours says that a press arrived: what a hotel's log-in page or a proxy answers does not.
  function ours(html) {
    var page = new DOMParser().parseFromString(html, "text/html").querySelector("main[data-dutyroom]");
    if (!page) throw new Error("not ours");
    return page;
  }
  function show(page) {
    main.replaceWith(page);
    main = page;
    if (main.dataset.now) offset = Number(main.dataset.now) - Date.now();
    tick();
    say(trouble);
  }
  function bytes(url) {
    var text = atob(url.split(",")[1]);
    var out = new Uint8Array(text.length);
    for (var n = 0; n < text.length; n++) out[n] = text.charCodeAt(n);
    return new Blob([out], { type: "image/jpeg" });
  }
  function asked(press) {
    var late = "pressed=" + Math.round(press.at + (press.offset || 0));
    if (!press.photo)
      return {
        method: "POST",
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
        body: press.body + "&" + late,
      };
    var form = new FormData();
    (press.body + "&" + late).split("&").forEach(function (pair) {
      var parts = pair.split("=").map(decodeURIComponent);
      form.append(parts[0], parts[1]);
    });
    form.append("photo", bytes(press.photo), "photo.jpg");
    return { method: "POST", body: form };
  }
  function send() {
    var list = read();
    if (busy || !list.length) return;
    busy = true;
    trouble = "waiting";
    say("sending");
    fetch(list[0].to, asked(list[0]))
      .then(function (answer) {
        if (answer.status >= 500 || answer.status === 429 || answer.status === 408) {
          trouble = "troubled";
          throw new Error("again");
        }
        if (/problem\+json/.test(answer.headers.get("content-type"))) return answer.json().then(refused);
        return answer.text().then(function (html) {
          var page = ours(html);
          keep(read().slice(1));
          show(page);
        });
      })
      .then(
        function () {
          busy = false;
          send();
        },
        function () {
          busy = false;
          say(trouble);
        },
      );
  }
  function refused(problem) {
    var words = problem.detail || {};
    keep(read().slice(1));
    document.getElementById("said").textContent = words[document.documentElement.lang === "en" ? "en" : "zh"] || "";
  }
  function press(form, photo) {
    var button = form.querySelector("button");
    var fields = new FormData(form);
    fields.delete("photo");
    var one = {
      to: form.getAttribute("action"),
      body: new URLSearchParams(fields).toString(),
      at: Date.now(),
      offset: offset,
      label: (button.getAttribute("aria-label") || button.textContent).trim(),
    };
    if (photo) one.photo = photo;
    if (!keep(read().concat([one]))) return false;
    form.querySelectorAll("button").forEach(function (b) {
      b.disabled = true;
    });
    send();
    return true;
  }
  // A photo of 8 MB takes three minutes at 400 kbit/s; at 1600 pixels it has some 300 kB.
  function small(file, done) {
    var url = URL.createObjectURL(file);
    var image = new Image();
    image.onload = function () {
      var scale = Math.min(1, 1600 / Math.max(image.naturalWidth, image.naturalHeight));
      var canvas = document.createElement("canvas");
      canvas.width = Math.round(image.naturalWidth * scale);
      canvas.height = Math.round(image.naturalHeight * scale);
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      URL.revokeObjectURL(url);
      var made = canvas.toDataURL("image/jpeg", 0.75);
      if (made.length > 680000) made = canvas.toDataURL("image/jpeg", 0.5);
      done(made);
    };
    image.onerror = function () {
      done("");
    };
    image.src = url;
  }
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.method !== "post") return;
    var file = form.querySelector("input[type=file]");
    if (!file) {
      if (press(form)) event.preventDefault();
      return;
    }
    if (!file.files.length) return;
    event.preventDefault();
    small(file.files[0], function (made) {
      if (made.indexOf("data:image/jpeg") === 0 && press(form, made)) return;
      if (navigator.onLine === false) {
        document.getElementById("said").textContent = main.dataset.unkept;
        return;
      }
      form.submit(); // as the camera made it
    });
  });
  window.addEventListener("online", send);
  setInterval(tick, 1000);
  setInterval(function () {
    if (read().length) return send();
    var busyHands =
      document.querySelector("details[open]") ||
      (document.activeElement && /TEXTAREA|SELECT|INPUT/.test(document.activeElement.tagName));
    var written = Array.prototype.some.call(document.querySelectorAll("textarea, input[type=file]"), function (field) {
      return field.value;
    });
    if (!main.dataset.now || busyHands || written || document.hidden || busy) return;
    fetch(location.pathname + location.search)
      .then(function (answer) {
        if (!answer.ok) throw new Error("later");
        return answer.text();
      })
      .then(ours)
      .then(
        function (page) {
          if (!busy && !read().length) show(page);
        },
        function () {},
      );
  }, 10000);
  // A person looks at it: no previewer runs this.
  if (main.dataset.now && window.fetch) fetch(location.pathname + "/opened", { method: "POST" }).catch(function () {});
  tick();
  say(trouble);
  send();
})();
