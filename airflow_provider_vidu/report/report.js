// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The airflow-provider-vidu authors
"use strict";
// Without this script the page shows everything; with it, a reader can filter, and videos load their first frame only
// when they come into view.
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
        (!wanted.why || `why:${card.dataset.why}` === wanted.why) &&
        words.every((word) => texts[number].includes(word));
      card.hidden = !fits;
      seen += fits;
    });
    count.value = seen === cards.length ? `${seen} shown` : `${seen} of ${cards.length} shown`;
    none.hidden = seen > 0;
    for (const button of showing) button.setAttribute("aria-pressed", String(button.dataset.show === wanted.state));
    for (const button of whys) button.setAttribute("aria-pressed", String(`why:${button.dataset.why}` === wanted.why));
    if (reasons) reasons.value = wanted.why;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("clear" in button.dataset) {
      search.value = wanted.state = wanted.why = "";
    } else if ("why" in button.dataset) {
      const why = `why:${button.dataset.why}`;
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

  const written = document.querySelector("time");
  written.textContent = new Date(written.dateTime).toLocaleString([], {
    dateStyle: "long",
    timeStyle: "short",
  });

  const nearby = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        nearby.unobserve(target);
        target.preload = "metadata";
      }
    },
    { rootMargin: "300px" },
  );
  for (const player of document.querySelectorAll("video:not([poster])")) nearby.observe(player);
  // A player gets the browser's controls with its first click: they are a hundred elements, and cover the picture.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.play");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const player = link.querySelector("video");
    link.replaceWith(player);
    player.controls = true;
    player.play().then(() => player.focus(), () => {});
  });
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
      target.closest(".player").append(gone);
    },
    true,
  );

  filter.hidden = false;
  apply();
}
