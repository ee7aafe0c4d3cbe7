"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [cellWidth, cellHeight] = data.cell;
  const root = document.documentElement;
  const map = document.getElementById("map");
  const bands = map.querySelector(".bands");
  const axis = map.querySelector(".axis");
  const text = document.getElementById("text");
  const details = document.getElementById("details");
  const keys = [...document.querySelectorAll(".key")];
  const hints = [...document.querySelectorAll("[data-one]")];
  const spans = [...text.querySelectorAll(".t")];
  const pieceOf = [];
  let now = null;
  let solo = -1;

  const element = (name, className, content) => {
    const made = document.createElement(name);
    made.className = className || "";
    made.textContent = content ?? "";
    return made;
  };
  const percent = share => Math.round(share * 100) + "\u202f%";
  const limit = (value, count) => Math.max(0, Math.min(count - 1, value));

  // A row holds expert, weight, expert, weight ...
  const weightIn = (row, expert) => {
    for (let i = 0; i < row.length; i += 2) {
      if (row[i] === expert) return row[i + 1];
    }
    return 0;
  };
  const sharesOf = (first, end) => {
    const shares = new Map();
    let total = 0;
    for (let t = first; t < end; t++) {
      for (const row of data.tokens[t].rows) {
        for (let i = 0; i < row.length; i += 2) {
          shares.set(row[i], (shares.get(row[i]) || 0) + row[i + 1]);
          total += row[i + 1];
        }
      }
    }
    return [...shares].map(([expert, sum]) => [expert, sum / (total || 1)]).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  };

  const columnFrame = element("div", "frame column");
  const cellFrame = element("div", "frame");
  for (const frame of [columnFrame, cellFrame]) {
    frame.hidden = true;
    bands.append(frame);
  }

  const place = (frame, token, layer, rows) => {
    frame.hidden = false;
    frame.style.left = token * cellWidth - 2 + "px";
    frame.style.top = layer * cellHeight - 2 + "px";
    frame.style.width = cellWidth + 3 + "px";
    frame.style.height = rows * cellHeight + 3 + "px";
  };

  const clear = () => {
    spans[pieceOf[now.token]].classList.remove("now");
    columnFrame.hidden = cellFrame.hidden = true;
    details.classList.add("empty");
    now = null;
  };

  const describe = () => {
    const token = data.tokens[now.token];
    details.classList.remove("empty");
    const close = element("button", "close", "Close");
    close.type = "button";
    close.addEventListener("click", clear);
    details.replaceChildren(close, element("h2", "", token.label));
    const written = now.token >= data.given;
    details.append(element("p", "note", `token ${now.token}, id ${token.id}, ${written ? "written by the model" : "given"}`));
    details.append(element("h3", "", "Read by"));
    for (const [expert, share] of sharesOf(now.token, now.token + 1)) {
      const bar = element("div", `bar e${expert}`);
      const length = element("i");
      length.style.width = share * 100 + "%";
      const track = element("div");
      track.append(length);
      length.style.display = "block";
      bar.append(element("span", "", data.names[expert]), track, element("b", "", percent(share)));
      details.append(bar);
    }
    if (written && now.token > 0) {
      const writer = data.tokens[now.token - 1].leader;
      details.append(element("h3", "", "Written by"));
      const line = element("span", `chip e${writer}`);
      line.append(element("i"), `the experts that read token ${now.token - 1}, led by ${data.names[writer]}`);
      details.append(line);
    }
    details.append(element("h3", "", "Layer by layer"));
    const list = element("ol");
    token.rows.forEach((row, layer) => {
      const item = element("li", layer === now.layer ? "now" : "");
      item.append(element("span", "", layer));
      for (let i = 0; i < row.length; i += 2) {
        const chip = element("span", `chip e${row[i]}`);
        chip.append(element("i"), `${data.names[row[i]]} ${row[i + 1].toFixed(2)}`);
        item.append(chip);
      }
      list.append(item);
    });
    details.append(list);
    const current = list.querySelector(".now");
    if (current) list.scrollTop = current.offsetTop - list.offsetTop - list.clientHeight / 2;
  };

  const show = (token, layer, follow) => {
    token = limit(token, data.tokens.length);
    layer = layer === null ? null : limit(layer, data.layers);
    if (now && now.token === token && now.layer === layer) return;
    if (now) spans[pieceOf[now.token]].classList.remove("now");
    now = { token, layer };
    const span = spans[pieceOf[token]];
    span.classList.add("now");
    place(columnFrame, token, 0, data.layers);
    cellFrame.hidden = layer === null;
    if (layer !== null) place(cellFrame, token, layer, 1);
    if (follow !== "map") {
      const left = token * cellWidth, view = map.clientWidth - axis.clientWidth;
      if (left < map.scrollLeft || left + cellWidth > map.scrollLeft + view) map.scrollLeft = left - view / 2;
    }
    if (follow === "keys") span.scrollIntoView({ block: "nearest" });
    describe();
  };

  const setSolo = expert => {
    solo = solo === expert ? -1 : expert;
    root.classList.toggle("solo", solo >= 0);
    keys.forEach(key => key.setAttribute("aria-pressed", String(Number(key.dataset.e) === solo)));
    for (const hint of hints) {
      hint.textContent = solo < 0 ? hint.dataset.all : `${hint.dataset.one} ${data.names[solo]}; Esc shows all experts again`;
    }
    const chosen = keys.find(key => Number(key.dataset.e) === solo);
    const colour = chosen ? getComputedStyle(chosen).getPropertyValue("--rgb") : "";
    spans.forEach((span, i) => {
      if (!chosen) {
        span.style.removeProperty("--rgb");
        span.style.removeProperty("--a");
        return;
      }
      const first = Number(span.dataset.t), end = i + 1 < spans.length ? Number(spans[i + 1].dataset.t) : data.tokens.length;
      const share = (sharesOf(first, end).find(s => s[0] === solo) || [0, 0])[1];
      span.style.setProperty("--rgb", colour);
      span.style.setProperty("--a", share === 0 ? "-1" : String(0.06 + 0.5 * share));
    });
    for (const band of bands.querySelectorAll(".band")) {
      band.querySelector(".solo-cells")?.remove();
      if (!chosen) continue;
      const group = document.createElementNS(band.namespaceURI, "g");
      group.setAttribute("class", `cells solo-cells e${solo}`);
      group.setAttribute("stroke-width", String(cellHeight - 1));
      const levels = new Map();
      const first = Number(band.dataset.first), count = Number(band.dataset.count);
      for (let t = 0; t < count; t++) {
        data.tokens[first + t].rows.forEach((row, layer) => {
          const level = Math.ceil(weightIn(row, solo) * data.levels);
          if (level > 0) levels.set(level, (levels.get(level) || "") + `M${t * cellWidth} ${layer * cellHeight + (cellHeight - 1) / 2}h${cellWidth - 1}`);
        });
      }
      for (const [level, path] of levels) {
        const cells = document.createElementNS(band.namespaceURI, "path");
        cells.setAttribute("d", path);
        cells.setAttribute("stroke-opacity", String(level / data.levels));
        group.append(cells);
      }
      band.prepend(group);
    }
  };

  spans.forEach((span, i) => {
    const end = i + 1 < spans.length ? Number(spans[i + 1].dataset.t) : data.tokens.length;
    for (let t = Number(span.dataset.t); t < end; t++) pieceOf[t] = i;
    span.removeAttribute("title");
  });
  const overText = event => {
    const span = event.target.closest(".t");
    if (span) show(Number(span.dataset.t), null, "");
  };
  const overMap = event => {
    const band = event.target.closest(".band");
    if (!band) return;
    const box = band.getBoundingClientRect();
    const token = limit(Math.floor((event.clientX - box.left) / cellWidth), Number(band.dataset.count));
    show(Number(band.dataset.first) + token, limit(Math.floor((event.clientY - box.top) / cellHeight), data.layers), "map");
  };
  for (const kind of ["pointermove", "click"]) {
    text.addEventListener(kind, overText);
    map.addEventListener(kind, overMap);
  }
  text.tabIndex = 0;
  text.addEventListener("keydown", event => {
    const at = now ? pieceOf[now.token] : -1;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: spans.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(Number(spans[limit(to, spans.length)].dataset.t), null, "keys");
  });
  map.addEventListener("keydown", event => {
    const token = now ? now.token : -1, layer = now ? now.layer ?? -1 : -1;
    const to = {
      ArrowRight: [token + 1, Math.max(layer, 0)], ArrowLeft: [token - 1, Math.max(layer, 0)], ArrowDown: [Math.max(token, 0), layer + 1],
      ArrowUp: [Math.max(token, 0), layer - 1], Home: [0, Math.max(layer, 0)], End: [data.tokens.length - 1, Math.max(layer, 0)],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    show(to[0], to[1], "keys");
  });
  document.addEventListener("keydown", event => {
    if (event.key === "Escape" && solo >= 0) setSolo(solo);
  });
  hints.forEach(hint => { hint.dataset.all = hint.textContent; });
  keys.forEach(key => {
    key.disabled = false;
    key.setAttribute("aria-pressed", "false");
    key.addEventListener("click", () => setSolo(Number(key.dataset.e)));
  });
  root.classList.add("js");
})();
