"use strict";
// Draws the timeline from the data in the page, follows the player, and takes it where one clicks.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  const video = by("video"), timeline = by("timeline"), hint = by("hint");
  const edges = data.edges, end = edges[edges.length - 1];
  const LEFT = 112, RIGHT = 54, GAP = 10, LISTED = 300;
  let now = 0, playable = false, wide = 0, cursor = null;

  const make = (kind, attributes, parent, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  };
  const element = (kind, name, parent, text) => {
    const node = document.createElement(kind);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  };
  const clock = (seconds) => {
    const whole = Math.floor(seconds + 1e-6);
    const two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  };
  const decimals = end < 2 ? 2 : 1;
  const fine = (seconds) => end < 60 ? `${seconds.toFixed(decimals)} s` : clock(seconds);
  const step = (seconds) => {
    let low = 0, high = edges.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (edges[middle] <= seconds) low = middle; else high = middle - 1;
    }
    return low;
  };
  const shares = (track) => track.kind !== "values";
  const digits = ({ range: [least, most] }) =>
    Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(most - least))));
  const told = (track, value) => value === null ? "?" : shares(track)
    ? `${(100 * value).toFixed(value > 0.0005 && value < 0.0995 ? 1 : 0)}%` : value.toFixed(digits(track));
  const x = (seconds) => LEFT + (wide - LEFT - RIGHT) * seconds / end;

  // The numbers at the player's time, with the mean over the whole video as a mark.
  const rows = [];
  for (const track of data.tracks) {
    track.names.forEach((name, k) => {
      const row = element("div", "row", by("now"));
      element("span", "name", row, name).title = name;
      const bar = element("span", "bar", row);
      const [least, most] = track.range, share = (v) => 100 * (v - least) / (most - least);
      if (least < 0 && most > 0) element("s", "", bar).style.left = `${share(0)}%`;
      const fill = element("i", "", bar), mean = element("b", "", bar);
      fill.style.background = track.colours[k];
      mean.style.left = `calc(${share(track.overall[k])}% - 1px)`;
      const number = element("span", "number", row);
      rows.push({ track, k, row, fill, number, share });
    });
  }
  by("key").textContent = "The dark mark is the mean over the whole video.";
  const show = () => {
    const at = step(now);
    by("clock").textContent = `${fine(now)} of ${fine(end)}`;
    for (const { track, k, row, fill, number, share } of rows) {
      const value = track.scores[at][k], [least, most] = track.range;
      const zero = least < 0 && most > 0 ? share(0) : 0, here = share(value ?? least);
      fill.style.left = `${Math.min(zero, here)}%`;
      fill.style.width = `${Math.abs(here - zero)}%`;
      number.textContent = told(track, value);
      row.classList.toggle("lead", shares(track) && value === Math.max(...track.scores[at]));
    }
    if (cursor) cursor.setAttribute("transform", `translate(${x(now)} 0)`);
    timeline.setAttribute("aria-valuenow", now.toFixed(1));
    timeline.setAttribute("aria-valuetext", fine(now));
  };

  const outline = (scores, k, top, height, least, most) => {
    const y = (v) => top + height * (1 - ((v ?? least) - least) / (most - least || 1));
    let path = "";
    scores.forEach((row, i) => {
      path += `${i ? "L" : "M"}${x(edges[i]).toFixed(1)} ${y(row[k]).toFixed(1)}`;
      path += `L${x(edges[i + 1]).toFixed(1)} ${y(row[k]).toFixed(1)}`;
    });
    return { path, floor: y(Math.max(least, Math.min(most, 0))).toFixed(1) };
  };
  const blocks = (svg, list, top, height) => {
    for (const one of list) {
      const from = x(one.start), width = Math.max(1.5, x(one.end) - from);
      const group = make("g", {}, svg);
      make("rect", { x: from, y: top, width, height, fill: one.colour, stroke: "#fff",
        "stroke-width": width > 4 ? 1 : 0 }, group);
      const room = Math.floor((width - 8) / 7.2);
      if (room >= Math.min(6, one.label.length)) {
        const text = one.label.length > room ? `${one.label.slice(0, room - 1)}.` : one.label;
        make("text", { x: from + 5, y: top + height / 2 + 4, style: `fill:${one.ink}` }, group, text);
      }
    }
  };
  const draw = () => {
    wide = timeline.clientWidth;
    if (wide < LEFT + RIGHT + 20) return;  // not laid out yet; the observer calls again
    timeline.replaceChildren();
    const svg = make("svg", {}, timeline);
    let top = 4;
    const label = (text, height, mark) => {
      make("text", { x: 0, y: top + height / 2 + 4 }, svg, text);
      if (mark) make("text", { x: wide, y: top + height / 2 + 4, "text-anchor": "end",
        class: "quiet" }, svg, mark);
    };
    if (data.strip.length) {
      const span = wide - LEFT - RIGHT, height = 46, width = height * 16 / 9;
      const count = Math.max(1, Math.floor(span / width));
      for (let i = 0; i < count; i++) {
        const moment = (i + 0.5) / count * end;
        const best = data.strip.reduce((a, b) =>
          Math.abs(b.at - moment) < Math.abs(a.at - moment) ? b : a);
        make("image", { x: LEFT + span * i / count, y: top, width: span / count + 0.5, height,
          href: best.picture, preserveAspectRatio: "xMidYMid slice" }, svg);
      }
      label("seen", height);
      top += height + GAP;
    }
    for (const track of data.tracks) {
      const tall = shares(track) ? 30 : 64, [least, most] = track.range;
      track.names.forEach((name, k) => {
        make("rect", { x: LEFT, y: top, width: wide - LEFT - RIGHT, height: tall,
          fill: "#f5f6f8" }, svg);
        const { path, floor } = outline(track.scores, k, top, tall, least, most);
        const group = make("g", { "data-name": name }, svg);
        make("path", { d: `${path}L${x(end)} ${floor}L${x(0)} ${floor}Z`, fill: track.colours[k],
          "fill-opacity": shares(track) ? 0.85 : 0.22 }, group);
        if (!shares(track)) {
          make("path", { d: path, fill: "none", stroke: track.colours[k], "stroke-width": 2 }, group);
          make("line", { x1: LEFT, x2: x(end), y1: floor, y2: floor, stroke: "#98a1ae" }, svg);
          make("text", { x: LEFT - 4, y: top + 10, "text-anchor": "end", class: "quiet" }, svg,
            told(track, most));
          make("text", { x: LEFT - 4, y: top + tall, "text-anchor": "end", class: "quiet" }, svg,
            told(track, least));
        }
        label(name.length > 14 ? `${name.slice(0, 13)}.` : name, tall, told(track, track.overall[k]));
        top += tall + (shares(track) ? 3 : 16);
      });
      top += GAP;
    }
    if (data.segments.length) {
      blocks(svg, data.segments, top, 24);
      label(data.segments_by === "attention" ? "detected" : "leads", 24);
      top += 24 + GAP;
    }
    if (data.attention) {
      data.attention.forEach((value, i) => make("rect", { x: x(edges[i]), y: top, height: 16,
        width: x(edges[i + 1]) - x(edges[i]) + 0.4, fill: "#00446b",
        "fill-opacity": 0.06 + 0.94 * (value ?? 0) }, svg));
      label("attention", 16);
      top += 16 + GAP;
    }
    const nice = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];
    const every = nice.find((s) => (wide - LEFT - RIGHT) * s / end > 64) ?? 14400;
    for (let t = 0; t <= end + 1e-6; t += every) {
      make("line", { x1: x(t), x2: x(t), y1: top - 2, y2: top + 3, stroke: "#98a1ae" }, svg);
      make("text", { x: x(t), y: top + 16, "text-anchor": "middle", class: "quiet" }, svg,
        every < 1 ? t.toFixed(decimals) : clock(t));
    }
    cursor = make("g", { id: "cursor" }, svg);
    make("line", { x1: 0, x2: 0, y1: 0, y2: top, stroke: "#fff", "stroke-width": 4,
      "stroke-opacity": 0.7 }, cursor);
    make("line", { x1: 0, x2: 0, y1: 0, y2: top, stroke: "#1d2330", "stroke-width": 2 }, cursor);
    svg.setAttribute("height", top + 22);
    svg.setAttribute("viewBox", `0 0 ${wide} ${top + 22}`);
    show();
  };

  const go = (seconds) => {
    now = Math.max(0, Math.min(end, seconds));
    if (playable) video.currentTime = Math.min(now, video.duration || now);
    show();
  };
  const timeOf = (event) => {
    const place = event.clientX - timeline.getBoundingClientRect().left;
    return end * Math.max(0, Math.min(1, (place - LEFT) / (wide - LEFT - RIGHT)));
  };
  let held = false;
  timeline.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    held = true;
    timeline.setPointerCapture(event.pointerId);
    go(timeOf(event));
  });
  timeline.addEventListener("pointerup", () => { held = false; });
  timeline.addEventListener("pointercancel", () => { held = false; });
  timeline.addEventListener("pointermove", (event) => {
    const seconds = timeOf(event), at = step(seconds);
    if (held) go(seconds);
    const lines = [fine(seconds)];
    for (const track of data.tracks) {
      const order = track.names.map((_, k) => k);
      if (shares(track)) order.sort((a, b) => track.scores[at][b] - track.scores[at][a]);
      for (const k of order.slice(0, 3)) {
        lines.push(`${track.names[k]}  ${told(track, track.scores[at][k])}`);
      }
    }
    if (data.attention) lines.push(`attention  ${(data.attention[at] ?? 0).toFixed(2)}`);
    hint.textContent = lines.join("\n");
    hint.hidden = false;
    const card = hint.parentElement.getBoundingClientRect();
    const flip = event.clientX - card.left > card.width - 190;
    hint.style.left = `${event.clientX - card.left + (flip ? -14 - hint.offsetWidth : 14)}px`;
    hint.style.top = `${event.clientY - card.top + 14}px`;
  });
  timeline.addEventListener("pointerleave", () => { hint.hidden = true; });
  timeline.addEventListener("keydown", (event) => {
    const size = Math.max(0.5, edges[1] - edges[0]);
    const moves = { ArrowRight: now + size, ArrowLeft: now - size, Home: 0, End: end };
    if (!(event.key in moves)) return;
    event.preventDefault();
    go(moves[event.key]);
  });

  video.addEventListener("loadedmetadata", () => {
    playable = true;
    by("lost").hidden = true;
    video.hidden = false;
    if (now) video.currentTime = now;
  });
  const lost = () => { playable = false; video.hidden = true; by("lost").hidden = false; };
  video.addEventListener("error", lost);
  if (video.error) lost();
  if (video.readyState >= 1) playable = true;
  const follow = () => { if (playable) { now = Math.min(end, video.currentTime); show(); } };
  for (const kind of ["timeupdate", "seeking", "seeked"]) video.addEventListener(kind, follow);
  const tick = () => { if (!video.paused && !video.ended) { follow(); requestAnimationFrame(tick); } };
  video.addEventListener("play", tick);
  by("other").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) video.src = URL.createObjectURL(file);
  });

  if (data.maps.length) by("looked").hidden = false;
  for (const one of data.maps) {
    const button = element("button", "", element("li", "", by("maps")));
    button.type = "button";
    const both = element("span", "both", button);
    for (const kind of ["frame", "overlay"]) {
      const image = element("img", "", both);
      image.src = one[kind];
      image.alt = kind === "overlay" ? `what speaks for ${one.label} at ${fine(one.at)}` : "";
    }
    const told = element("span", "told", button);
    told.style.borderTopColor = one.colour;
    element("span", "", told, `${one.label} ${(100 * one.score).toFixed(0)}%`);
    element("span", "when", told, fine(one.at));
    if (one.blank) element("span", "blank", told, "no place raises its chance");
    button.addEventListener("click", () => go(one.at));
  }
  if (data.segments.length) {
    by("found").hidden = false;
    by("foundtitle").textContent = data.segments_by === "attention"
      ? "Detected segments" : "Stretches that one emotion leads";
    for (const one of data.segments.slice(0, LISTED)) {
      const button = element("button", "", element("li", "", by("segments")));
      button.type = "button";
      button.style.borderLeftColor = one.colour;
      element("span", "", button, one.label);
      element("span", "when", button, end < 60
        ? `${one.start.toFixed(decimals)} to ${fine(one.end)}` : `${clock(one.start)} to ${clock(one.end)}`);
      element("span", "score", button, one.score.toFixed(2));
      button.addEventListener("click", () => go(one.start));
    }
    const more = data.segments.length - LISTED;
    if (more > 0) element("li", "quiet", by("segments"), `and ${more} more, in the JSON`);
  }
  new ResizeObserver(() => { if (timeline.clientWidth !== wide) draw(); }).observe(timeline);
  draw();
})();
