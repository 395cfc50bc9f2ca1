// Draws the report: adds up the figures of the chosen queues and media, and gives each picture and its table their rows.
// Names of the org reach the page as text nodes and as values of the data, never as markup or as expressions.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const specs = JSON.parse(document.getElementById("pictures").textContent);
  const whole = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
  const fine = new Intl.NumberFormat("en", {minimumFractionDigits: 1, maximumFractionDigits: 1});
  const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
  const DATES = {day: "%a %-d %b", week: "%-d %b", month: "%b %Y"};
  const NARROW_PX = 640, PAPER_PX = 670, BARS_MAX = 20, NONE = "–";
  const chosen = {
    queue: new Set(data.queues.keys()),
    medium: new Set(data.media.keys()),
  };
  const views = new Map();

  // --- words for numbers

  const percent = (part, all) => all ? 100 * part / all : null;
  const percentText = (value) => value === null ? NONE : `${fine.format(value)} %`;
  const two = (value) => String(value).padStart(2, "0");

  function timeText(seconds) {
    if (seconds === null) return NONE;
    const all = Math.round(seconds), minutes = Math.floor(all / 60) % 60, hours = Math.floor(all / 3600);
    if (all < 60) return `${all} s`;
    if (!hours) return `${minutes}:${two(all % 60)} min`;
    return `${whole.format(hours)}:${two(minutes)}:${two(all % 60)} h`;
  }

  const mean = (total, count) => count ? total / count : null;

  // --- sums

  // The sums of a cube's measures over the chosen queues and media, by the values of the columns in `keys`.
  function sums(cube, keys) {
    const names = Object.keys(cube), rows = new Map();
    const length = names.length ? cube[names[0]].length : 0;
    for (let at = 0; at < length; at++) {
      if (!chosen.queue.has(cube.queue[at]) || !chosen.medium.has(cube.medium[at])) continue;
      const key = keys.map((name) => cube[name][at]).join(" ");
      let row = rows.get(key);
      if (!row) rows.set(key, row = Object.fromEntries(names.map((name) => [name, keys.includes(name) ? cube[name][at] : 0])));
      for (const name of names) if (!keys.includes(name)) row[name] += cube[name][at];
    }
    return rows;
  }

  const empty = (cube) => Object.fromEntries(Object.keys(cube).map((name) => [name, 0]));

  // The service level as `tables.kpis` defines it; the terms of its denominator come with the data.
  const base = (row) => data.level_terms.reduce((all, term) => term[0] === "-" ? all - row[term.slice(1)] : all + row[term], 0);
  const level = (row) => percent(Math.max(row.answered - row.overSla, 0), base(row));

  const byMost = (name) => (one, other) => other[name] - one[name];
  // The same, with what has no name of its own at the end.
  const byMostNamed = (name, noun) => (one, other) =>
    (one[noun] === data.rest[noun]) - (other[noun] === data.rest[noun]) || byMost(name)(one, other);

  // The common target of the chosen queues and media that had something to answer; null if they differ or have none.
  function commonTarget(rows) {
    let common = null;
    for (const row of rows) {
      if (!base(row)) continue;
      const target = targetOf(row.queue, row.medium);
      if (!target || common && common.percent !== target.percent) return null;
      common = common && common.seconds !== target.seconds ? {percent: target.percent, seconds: null} : target;
    }
    return common;
  }

  const targetOf = (queue, medium) => data.targets.find((one) => one.queue === queue && one.medium === medium) || null;

  function targetText(target) {
    if (!target) return "no target";
    return `${fine.format(target.percent).replace(".0", "")} %` + (target.seconds === null ? "" : ` in ${timeText(target.seconds)}`);
  }

  // --- the pictures: each gives the rows that are drawn, and its table

  function volume() {
    const slots = sums(data.by_slot, ["slot"]), rows = [];
    const used = new Set([...slots.values()].filter((row) => row.offered).map((row) => row.slot % 48));
    const first = Math.min(...used), last = Math.max(...used);
    for (let weekday = 0; weekday < 7; weekday++) {
      for (let half = first; half <= last; half++) {
        const slot = weekday * 48 + half, times = data.slot_times[slot];
        if (!times) continue;
        const offered = slots.get(String(slot))?.offered || 0;
        rows.push({
          weekday: WEEKDAYS[weekday], weekday_number: weekday, time: `${two(half >> 1)}:${half % 2 ? "30" : "00"}`,
          offered, mean: offered / times,
        });
      }
    }
    const times = [...new Set(rows.map((row) => row.time))].sort(), days = [...new Set(rows.map((row) => row.weekday))];
    const cell = (time, day) => rows.find((row) => row.time === time && row.weekday === day);
    const body = times.map((time) => [time, ...days.map((day) => cell(time, day) ? fine.format(cell(time, day).mean) : NONE)]);
    const peak = rows.reduce((best, row) => row.mean > (best?.mean || 0) ? row : best, null);
    const words = peak ? `Busiest: ${peak.weekday} from ${peak.time}, ${fine.format(peak.mean)} conversations in half an hour on average.` : "";
    const outside = used.size && (first > 0 || last < 47) ? ` None was offered before ${time(first)} or after ${time(last + 1)}.` : "";
    const step = roundUp((peak?.mean || 0) / 6);
    const adjust = (spec) => { spec.encoding.color.scale.domain = [1, 2, 3, 4, 5].map((times) => times * step); };
    return {rows, head: ["half hour from", ...days], body, words: words + outside, isEmpty: !used.size, adjust};
  }

  // The next number of one significant digit, such as 0.3, 2 or 50.
  function roundUp(value) {
    const size = 10 ** Math.floor(Math.log10(value || 1));
    return Number((Math.ceil(value / size) * size).toPrecision(1));
  }

  const time = (half) => `${two(half >> 1)}:${half % 2 ? "30" : "00"}`;

  const daySums = () => {
    const found = sums(data.by_day, ["day"]);
    return data.days.map((day, index) => ({...day, ...(found.get(String(index)) || empty(data.by_day)), day: day.date}));
  };

  const bands = (rows) => {
    const only = rows.filter((row) => row.is_provisional);
    return only.map((row, at) => ({day: row.day, band: true, band_label: at === only.length - 1 ? "provisional" : ""}));
  };

  function days() {
    const found = daySums(), names = [["offered", "offered"], ["answered", "answered"], ["abandoned", "abandoned"]];
    const rows = found.flatMap((day) => names.map(([name, what]) => ({day: day.day, label: day.label, what, count: day[name], note: day.note})));
    const body = found.map((day) => [
      day.label, whole.format(day.offered), whole.format(day.answered), percentText(percent(day.answered, day.offered)),
      whole.format(day.abandoned), percentText(percent(day.abandoned, day.offered)), whole.format(day.flowOuts), day.note,
    ]);
    const head = [data.unit, "offered", "answered", "answered %", "abandoned", "abandoned %", "flow-outs", "note"];
    return {rows: [...rows, ...bands(found)], head, body, words: dayWords(found), dates: DATES[data.unit], isEmpty: !rows.some((row) => row.count)};
  }

  function dayWords(found) {
    const young = found.filter((day) => day.is_provisional).length, unsure = found.filter((day) => day.is_unproven).length;
    const all = `of ${found.length} ${data.unit}s`, verb = (count) => count === 1 ? "is" : "are";
    return [
      young ? `${young} ${all} ${verb(young)} provisional (shaded): the figures can still change.` : "",
      unsure ? `${unsure} ${all} ${verb(unsure)} not proven complete: see the table.` : "",
    ].filter(Boolean).join(" ");
  }

  function levels() {
    const pairs = [...sums(data.by_day, ["queue", "medium"]).values()], target = commonTarget(pairs);
    const found = daySums();
    const rows = found.map((day) => {
      const value = level(day);
      return {
        day: day.day, label: day.label, note: day.note, level: value, level_text: percentText(value),
        target: target ? target.percent : null, target_text: targetText(target),
        verdict: !target ? "no common target" : value >= target.percent ? "reached" : "missed",
      };
    });
    const judged = rows.filter((row) => row.level !== null), missed = judged.filter((row) => row.verdict === "missed").length;
    const body = rows.map((row, at) => [row.label, row.level_text, row.target_text, row.level === null ? NONE : row.verdict, whole.format(base(found[at])), row.note]);
    const words = target
      ? `Target (dashed): ${targetText(target)}. Missed ${data.unit === "day" ? "on" : "in"} ${missed} of ${judged.length} ${data.unit}s.`
      : pairs.some((row) => targetOf(row.queue, row.medium))
        ? "The chosen queues and media have no common target. The next picture has the target of each."
        : "No target is known for the chosen queues and media.";
    return {rows: [...rows, ...bands(found)], head: [data.unit, "service level", "target", "", "counted", "note"], body, words, dates: DATES[data.unit], isEmpty: !judged.length, adjust: onlyUsed(judged)};
  }

  // The legend has only the verdicts that occur.
  const onlyUsed = (judged) => (spec) => {
    const values = [...new Set(judged.map((row) => row.verdict))], {color, shape} = spec.layer.at(-1).encoding;
    color.legend = shape.legend = values.includes("no common target") ? null : {values};
  };

  function targets() {
    const found = [...sums(data.by_day, ["queue", "medium"]).values()].filter((row) => base(row)).sort((one, other) => base(other) - base(one));
    const rows = found.map((row) => {
      const target = targetOf(row.queue, row.medium), value = level(row);
      const missed = target && value < target.percent;
      return {
        name: `${data.media[row.medium]} · ${data.queues[row.queue]}`, queue: data.queues[row.queue], medium: data.media[row.medium],
        level: value, level_text: percentText(value), target: target ? target.percent : null, target_text: targetText(target),
        text: `${percentText(value)}${target ? (missed ? " ▼ missed" : " ✓ reached") : ""}`,
        verdict: target ? (missed ? "missed" : "reached") : NONE,
      };
    });
    const body = rows.map((row, at) => [
      row.queue, row.medium, whole.format(found[at].offered), row.level_text, row.target_text, row.verdict,
      whole.format(found[at].answered), whole.format(found[at].abandoned), percentText(percent(found[at].abandoned, found[at].offered)),
      timeText(mean(found[at].answeredWaitMs, found[at].answered)),
    ]);
    const head = ["queue", "medium", "offered", "service level", "target", "", "answered", "abandoned", "abandoned %", "average speed of answer"];
    return {rows: rows.slice(0, BARS_MAX), head, body, words: largest(rows.length, "queue"), isEmpty: !rows.length};
  }

  function mixed() {
    const found = [...sums(data.by_day, ["medium"]).values()].filter((row) => row.handled);
    return found.length > 1 ? "Media are mixed here: choose one above for times that can be compared." : "";
  }

  const largest = (count, noun) => count > BARS_MAX ? `The ${BARS_MAX} largest of ${whole.format(count)} are drawn; the table has all.` : "";

  function waits() {
    const found = sums(data.waits, ["step"]), names = ["answered", "abandoned"];
    const steps = data.wait_steps.map((label, step) => ({label, ...(found.get(String(step)) || {answered: 0, abandoned: 0})}));
    while (steps.length && !steps.at(-1).answered && !steps.at(-1).abandoned) steps.pop();
    const totals = Object.fromEntries(names.map((name) => [name, steps.reduce((all, step) => all + step[name], 0)]));
    const rows = steps.flatMap((step, at) => names.map((what) => {
      const share = percentText(percent(step[what], totals[what]));
      return {wait: step.label, step: at, what, count: step[what], share_text: share, text: `${whole.format(step[what])} (${share})`};
    }));
    const so_far = {answered: 0, abandoned: 0};
    const body = steps.map((step) => [step.label, ...names.flatMap((name) => {
      so_far[name] += step[name];
      return [whole.format(step[name]), percentText(percent(step[name], totals[name])), percentText(percent(so_far[name], totals[name]))];
    })]);
    const head = ["waited", "answered", "share", "so far", "abandoned", "share", "so far"];
    return {rows, head, body, words: mixed(), isEmpty: !steps.length, room: roomFor(rows, "count", 95)};
  }

  // Rows of average handle times by name, longest list first; `nameOf` gives the name of a row.
  function worked(found, nameOf, noun) {
    const handled = found.filter((row) => row.handled).sort(byMostNamed("handled", noun));
    const pieces = [["talk", "talkMs"], ["hold", "holdMs"], ["after-call work", "acwMs"], ["dialing", "dialing"]];
    for (const row of handled) row.dialing = Math.max(row.handleMs - row.talkMs - row.holdMs - row.acwMs, 0);
    const rows = handled.slice(0, BARS_MAX).flatMap((row) => {
      const drawn = pieces.reduce((all, [, name]) => all + row[name], 0);
      return pieces.map(([what, name], step) => ({
        name: nameOf(row), what, step, handled: row.handled, minutes: row[name] / row.handled / 60,
        part_text: timeText(row[name] / row.handled), total: drawn / row.handled / 60,
        total_text: timeText(mean(row.handleMs, row.handled)),
      }));
    });
    const body = handled.map((row) => [
      nameOf(row), whole.format(row.handled), timeText(mean(row.handleMs, row.handled)),
      ...pieces.map(([, name]) => timeText(mean(row[name], row.handled))),
    ]);
    const head = [noun, "handled", "average handle time", ...pieces.map(([what]) => what)];
    const words = `${mixed()} ${largest(handled.length, noun)}`.trim();
    return {rows, head, body, words, isEmpty: !rows.length, room: roomFor(rows, "total", 75)};
  }

  const handle = () => worked([...sums(data.by_day, ["queue"]).values()], (row) => data.queues[row.queue], "queue");
  const agents = () => worked([...sums(data.by_agent, ["agent"]).values()], (row) => data.agents[row.agent], "agent");

  function media() {
    const found = [...sums(data.by_day, ["medium"]).values()].sort(byMost("offered"));
    const rows = found.filter((row) => row.offered).map((row) => ({
      name: data.media[row.medium], count: row.offered,
      text: `${whole.format(row.offered)}${row.handled ? ` · handled in ${timeText(mean(row.handleMs, row.handled))}` : ""}`,
    }));
    const body = found.map((row) => [
      data.media[row.medium], whole.format(row.offered), whole.format(row.answered), whole.format(row.abandoned), percentText(level(row)),
      timeText(mean(row.answeredWaitMs, row.answered)), whole.format(row.handled), timeText(mean(row.handleMs, row.handled)),
    ]);
    const head = ["medium", "offered", "answered", "abandoned", "service level", "average speed of answer", "handled", "average handle time"];
    return {rows, head, body, words: "", isEmpty: !rows.length, room: roomFor(rows, "count", 190)};
  }

  function codes() {
    const found = [...sums(data.by_code, ["code"]).values()].filter((row) => row.handled).sort(byMostNamed("handled", "code"));
    const total = found.reduce((all, row) => all + row.handled, 0);
    const rows = found.slice(0, BARS_MAX).map((row) => ({
      name: data.codes[row.code], count: row.handled, text: `${whole.format(row.handled)} (${percentText(percent(row.handled, total))})`,
    }));
    const body = found.map((row) => [
      data.codes[row.code], whole.format(row.handled), percentText(percent(row.handled, total)), timeText(mean(row.handleMs, row.handled)),
    ]);
    return {rows, head: ["wrap-up code", "times given", "share", "average handle time"], body, words: largest(found.length, "code"), isEmpty: !rows.length, room: roomFor(rows, "count", 100)};
  }

  function coverage() {
    const rows = data.windows.map((one) => ({...one, start: Date.parse(one.start), end: Date.parse(one.end)}));
    const body = data.windows.map((one) => [one.from_, one.until, one.lane, one.reason, whole.format(one.windows), whole.format(one.conversations), one.counted_at]);
    const head = ["from", "up to", "verdict", "why", "windows", "conversations", "counted at"];
    const days = rows.length ? (rows.at(-1).end - rows[0].start) / 86_400_000 : 0;
    return {rows, head, body, words: "", dates: days > 4 ? "%-d %b %Y" : "%-d %b %H:%M", isEmpty: !rows.length};
  }

  const PICTURES = {volume, days, level: levels, targets, waits, handle, agents, media, codes, coverage};

  // --- drawing

  function cells(tag, texts, isNumber) {
    const row = document.createElement("tr");
    texts.forEach((text, at) => {
      const cell = document.createElement(at || tag === "th" ? tag : "th");
      if (cell.tagName === "TH") cell.scope = tag === "th" ? "col" : "row";
      cell.textContent = text;
      if (isNumber[at]) cell.className = "number";
      row.append(cell);
    });
    return row;
  }

  function fillTable(table, head, body) {
    const top = document.createElement("thead"), rest = document.createElement("tbody");
    const isNumber = head.map((_, at) => at > 0 && body.length > 0 && body.every((texts) => /^[\d–]/.test(texts[at])));
    top.append(cells("th", head, isNumber));
    rest.append(...body.map((texts) => cells("td", texts, isNumber)));
    table.replaceChildren(top, rest);
  }

  const labelPx = (width_px) => Math.max(110, width_px * .27);

  // Where the axis of bars ends, so that `text_px` are left behind the longest one for its text.
  const roomFor = (rows, field, text_px) => (width_px) => {
    const most = Math.max(...rows.map((row) => row[field])), plot_px = Math.max(width_px - labelPx(width_px) - 8, text_px + 40);
    return most * plot_px / (plot_px - text_px);
  };

  const isNarrow = () => document.documentElement.clientWidth < NARROW_PX;

  async function draw(name) {
    const figure = document.getElementById(name);
    if (!figure) return;
    const found = PICTURES[name]();
    figure.querySelector(".words").textContent = found.words;
    figure.querySelector(".nothing").hidden = !found.isEmpty;
    const place = figure.querySelector(".picture"), table = figure.querySelector("details");
    place.hidden = table.hidden = found.isEmpty;
    fillTable(figure.querySelector("table"), found.head, found.body);
    views.get(name)?.finalize();
    views.delete(name);
    place.replaceChildren();
    if (found.isEmpty) return;
    const spec = structuredClone(isNarrow() && specs[`${name}-narrow`] || specs[name]);
    spec.data.values = found.rows;
    spec.config.axis.labelLimit = labelPx(place.clientWidth);
    if (isNarrow()) spec.config.legend.columns = 2;
    if (spec.height.step) spec.height = spec.height.step * new Set(found.rows.map((row) => row[spec.encoding.y.field])).size;
    if (found.room) spec.params[0].value = found.room(place.clientWidth);
    if (found.dates) spec.params[0].value = found.dates;
    found.adjust?.(spec);
    const options = {ast: true, actions: false, renderer: "svg", mode: "vega-lite", defaultStyle: false, tooltip: {disableDefaultStyle: true}};
    const result = await vegaEmbed(place, spec, options);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", `${figure.querySelector("h2").textContent}. ${found.words} The table below has the figures.`);
    views.set(name, {...result, room: found.room});
  }

  function tiles() {
    const all = [...sums(data.by_day, []).values()][0] || empty(data.by_day);
    const pairs = [...sums(data.by_day, ["queue", "medium"]).values()], target = commonTarget(pairs), value = level(all);
    const judged = pairs.filter((row) => base(row) && targetOf(row.queue, row.medium));
    const missed = judged.filter((row) => level(row) < targetOf(row.queue, row.medium).percent).length;
    const verdict = target ? `target ${targetText(target)}${value === null ? "" : value < target.percent ? " · missed" : " · reached"}`
      : judged.length ? `targets differ: ${missed} of ${judged.length} missed` : "no target";
    const shown = {
      offered: [whole.format(all.offered), ""],
      answered: [whole.format(all.answered), `${percentText(percent(all.answered, all.offered))} of offered`],
      abandoned: [whole.format(all.abandoned), `${percentText(percent(all.abandoned, all.offered))} of offered`],
      level: [percentText(value), verdict],
      speed: [timeText(mean(all.answeredWaitMs, all.answered)), eachMedium("answeredWaitMs", "answered") || "on average"],
      handle: [timeText(mean(all.handleMs, all.handled)), eachMedium("handleMs", "handled") || `${whole.format(all.handled)} handled`],
    };
    for (const [name, [figure, below]] of Object.entries(shown)) {
      const tile = document.getElementById(`tile-${name}`);
      tile.querySelector("dd").textContent = figure;
      tile.querySelector(".below").textContent = below;
    }
  }

  // The average of each of the three largest media; empty where there is only one, since that is the average itself.
  function eachMedium(total, count) {
    const found = [...sums(data.by_day, ["medium"]).values()].filter((row) => row[count]).sort(byMost(count));
    if (found.length < 2) return "";
    return found.slice(0, 3).map((row) => `${data.media[row.medium]} ${timeText(row[total] / row[count])}`).join(" · ");
  }

  async function drawAll() {
    tiles();
    for (const name of Object.keys(PICTURES)) await draw(name);
  }

  // --- the choice

  const FILTERS = {queue: data.queues, medium: data.media};

  function summarize(kind) {
    const names = FILTERS[kind], some = [...chosen[kind]].map((index) => names[index]);
    const text = names.length && some.length === names.length ? `all (${names.length})` : some.length > 3 ? `${some.length} of ${names.length}` : some.join(", ") || "none";
    document.querySelector(`#filter-${kind} summary span`).textContent = text;
  }

  function boxes(kind) {
    const list = document.querySelector(`#filter-${kind} ul`);
    FILTERS[kind].forEach((name, index) => {
      const item = document.createElement("li"), label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.dataset.index = index;
      label.append(box, ` ${name}`);
      item.append(label);
      list.append(item);
    });
    list.addEventListener("change", (event) => {
      const index = Number(event.target.dataset.index);
      chosen[kind][event.target.checked ? "add" : "delete"](index);
      changed(kind);
    });
  }

  function chooseAll(kind, isAll) {
    chosen[kind] = new Set(isAll ? FILTERS[kind].keys() : []);
    for (const box of document.querySelectorAll(`#filter-${kind} ul input`)) box.checked = isAll;
    changed(kind);
  }

  function changed(kind) {
    summarize(kind);
    document.documentElement.dataset.drawn = "no";
    drawAll().then(() => document.documentElement.dataset.drawn = "yes", failed);
  }

  function wire(kind) {
    const filter = document.getElementById(`filter-${kind}`);
    boxes(kind);
    summarize(kind);
    filter.querySelector(".all").addEventListener("click", () => chooseAll(kind, true));
    filter.querySelector(".none").addEventListener("click", () => chooseAll(kind, false));
    filter.querySelector("input[type=search]")?.addEventListener("input", (event) => {
      const wanted = event.target.value.toLowerCase();
      for (const item of filter.querySelectorAll("li")) item.hidden = !item.textContent.toLowerCase().includes(wanted);
    });
  }

  function failed(error) {
    const place = document.getElementById("failure");
    place.textContent = `The pictures could not be drawn: ${error}`;
    place.hidden = false;
    throw error;
  }

  function openTables(isOpen) {
    for (const one of document.querySelectorAll("figure details")) one.open = isOpen;
  }

  // Paper has a width of its own. It is set at once, since the browser does not wait for a picture that is drawn anew.
  let isPrinting = false;
  function fitTo(width_px) {
    for (const {view, room} of views.values()) {
      const now_px = width_px || view.container().clientWidth;
      if (room) view.signal("room", room(now_px));
      view.signal("width", now_px).run();
    }
  }
  addEventListener("beforeprint", () => { isPrinting = true; fitTo(PAPER_PX); });
  addEventListener("afterprint", () => { isPrinting = false; fitTo(0); });

  let wasNarrow = isNarrow();
  addEventListener("resize", () => {
    if (isPrinting) return;
    if (wasNarrow !== isNarrow()) draw("volume").catch(failed);
    wasNarrow = isNarrow();
  });
  document.getElementById("tables").addEventListener("click", (event) => {
    const isOpen = event.target.getAttribute("aria-pressed") !== "true";
    event.target.setAttribute("aria-pressed", isOpen);
    event.target.textContent = isOpen ? "Close all tables" : "Open all tables";
    openTables(isOpen);
  });
  document.getElementById("print").addEventListener("click", () => print());
  document.addEventListener("click", (event) => {
    for (const filter of document.querySelectorAll(".filter[open]")) if (!filter.contains(event.target)) filter.open = false;
  });
  wire("queue");
  wire("medium");
  document.getElementById("script-needed").hidden = true;
  drawAll().then(() => document.documentElement.dataset.drawn = "yes", failed);
})();
