// The demo phone: lists the pages as they come, and opens their links like a finger would.
"use strict";
(function () {
  var list = document.getElementById("messages");
  var phone = document.getElementById("phone");
  var person = document.getElementById("person");
  var time = new Intl.DateTimeFormat("zh-CN", {
    timeZone: document.querySelector(".demo").dataset.zone,
    hour12: false,
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  var known = "";
  var opened = "";

  function open(message) {
    opened = message.key;
    phone.hidden = false;
    phone.src = new URL(message.link, location.href).pathname;
    mark();
  }
  function mark() {
    list.querySelectorAll("button").forEach(function (b) {
      b.setAttribute("aria-current", String(b.dataset.key === opened));
    });
  }
  function draw(messages) {
    document.getElementById("empty").hidden = messages.length > 0;
    list.replaceChildren.apply(
      list,
      messages.map(function (message) {
        var item = document.createElement("li");
        var button = document.createElement("button");
        var who = document.createElement("b");
        who.textContent = message.name + " · " + time.format(message.at_ms);
        var text = document.createElement("div");
        text.textContent = message.text;
        button.dataset.key = message.key;
        button.append(who, text);
        button.addEventListener("click", function () {
          open(message);
        });
        item.append(button);
        return item;
      }),
    );
    mark();
    if (!opened && messages.length) open(messages[messages.length - 1]);
  }
  function look() {
    fetch("/api/v1/demo/phone?limit=60&person=" + encodeURIComponent(person.value))
      .then(function (answer) {
        return answer.ok ? answer.text() : known;
      })
      .then(
        function (text) {
          if (text === known) return;
          known = text;
          draw(JSON.parse(text));
        },
        function () {},
      );
  }
  person.addEventListener("change", look);
  setInterval(look, 1000);
  look();
})();
