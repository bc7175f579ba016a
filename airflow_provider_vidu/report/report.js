// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The airflow-provider-vidu authors
"use strict";
// Without this script the page shows everything; with it, a reader can filter, and the page opens faster.
{
  const cards = [...document.querySelectorAll("article")];
  const filter = document.querySelector(".filter");
  const search = filter.querySelector("input");
  const reasons = filter.querySelector("select");
  const count = filter.querySelector("output");
  const none = document.querySelector(".none");
  const showing = [...document.querySelectorAll("button[data-show]:not([data-clear])")];
  const whys = [...document.querySelectorAll("button[data-why]")];
  const wanted = { state: "", why: "" };
  let texts = null;

  const textsOfCards = () =>
    cards.map((card) => [...card.querySelectorAll("[data-find]")].map((found) => found.textContent).join("\n").toLowerCase());

  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) texts ??= textsOfCards();
    let seen = 0;
    cards.forEach((card, number) => {
      const fits =
        (!wanted.state || card.dataset.state === wanted.state) &&
        (!wanted.why || card.dataset.why === wanted.why) &&
        words.every((word) => texts[number].includes(word));
      card.hidden = !fits;
      seen += fits;
    });
    count.value = seen === cards.length ? `${seen} shown` : `${seen} of ${cards.length} shown`;
    none.hidden = seen > 0;
    for (const button of showing) button.setAttribute("aria-pressed", String(button.dataset.show === wanted.state));
    for (const button of whys) button.setAttribute("aria-pressed", String(button.dataset.why === wanted.why));
    if (reasons) reasons.value = wanted.why;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || button.className === "play") return;
    if ("clear" in button.dataset) {
      search.value = wanted.state = wanted.why = "";
    } else if ("why" in button.dataset) {
      const { why } = button.dataset;
      wanted.why = wanted.why === why ? "" : why;
      wanted.state = "";
    } else {
      wanted.state = wanted.state === button.dataset.show ? "" : button.dataset.show;
      wanted.why = "";
    }
    apply();
  });
  search.addEventListener("input", apply);
  reasons?.addEventListener("change", () => {
    wanted.why = reasons.value;
    wanted.state = "";
    apply();
  });

  // The reader's own time, with its zone; UTC is its tooltip.
  const written = document.querySelector("time");
  written.title = written.textContent;
  written.textContent = new Date(written.dateTime).toLocaleString([], {
    year: "numeric",
    month: "long",
    day: "numeric",
    hour: "numeric",
    minute: "2-digit",
    timeZoneName: "short",
  });

  // A thousand players would take the page a second: each is made of its text when it comes near the view. The browser's
  // controls would cover the picture, so it gets them with the first click.
  const fill = (screen) => {
    screen.innerHTML = screen.querySelector("noscript").textContent;
    const player = screen.querySelector("video");
    player.controls = false;
    if (!player.poster) player.preload = "metadata";
    const play = document.createElement("button");
    play.type = "button";
    play.className = "play";
    play.setAttribute("aria-label", `Play ${player.getAttribute("aria-label")}`);
    play.addEventListener("click", () => {
      play.remove();
      player.controls = true;
      player.play().then(() => player.focus(), () => {});
    });
    screen.append(play);
  };
  const nearby = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        nearby.unobserve(target);
        target.querySelectorAll(".screen:has(noscript)").forEach(fill);
      }
    },
    { rootMargin: "600px" },
  );
  for (const card of cards) nearby.observe(card);
  addEventListener("beforeprint", () => document.querySelectorAll(".screen:has(noscript)").forEach(fill));
  // Neither event bubbles.
  document.addEventListener(
    "play",
    ({ target }) => {
      for (const player of document.querySelectorAll("video, audio")) if (player !== target) player.pause();
    },
    true,
  );
  document.addEventListener(
    "error",
    ({ target }) => {
      if (!target.matches("video, audio")) return;
      const gone = document.createElement("p");
      gone.className = "gone";
      gone.textContent = "This file cannot be opened from here. Keep this page beside its videos.";
      target.controls = false;
      target.nextElementSibling?.remove();
      target.after(gone);
    },
    true,
  );

  filter.hidden = false;
  apply();
}
