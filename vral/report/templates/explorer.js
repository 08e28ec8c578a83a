"use strict"
// The run explorer: two Bokeh plots and a table of what the form selects.
// Names enter the page as text only, never as markup. Data and library are unpacked when it is opened.
{
  let studies, clocks, readings
  const at = (id) => document.getElementById(id)
  const FONT = "system-ui, sans-serif"
  const DASHES = ["solid", [6, 3], [2, 3], [8, 3, 2, 3]]
  const SPREAD = 30 // Positive values further apart than this start on a log scale.
  const FLOOR = 1e-12 // On a log scale, values that have underflowed are drawn here.
  const ROW = 22 // Pixels per row of dots.

  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag)
    made.textContent = text
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
    return made
  }

  const option = (value, text) => element("option", text, {value})

  function chips(box, items, chosen) {
    box.replaceChildren(...items.map((item, i) => {
      const chip = element("label", "", {class: "chip", title: item.label})
      const input = element("input", "", {type: "checkbox", value: i})
      input.checked = chosen(i)
      const swatch = element("span", "", {class: "swatch", "aria-hidden": "true"})
      if (item.colour) swatch.style.background = item.colour
      chip.append(input, ...(item.colour ? [swatch] : []), element("span", item.label))
      return chip
    }))
  }

  const checked = (id) => new Set([...at(id).querySelectorAll("input:checked")].map((i) => Number(i.value)))

  const study = () => studies[Number(at("study").value)]

  function fillStudy() {
    const {methods, ratios, over, curves, finals} = study()
    const [before, clock] = [at("reading").value, at("clock").value]
    at("clock").replaceChildren(...over.map((name) => option(name, clocks[name])))
    if (over.includes(clock)) at("clock").value = clock
    at("reading").replaceChildren(...readings.map(({heading, readings}) => {
      const group = element("optgroup", "", {label: heading})
      const known = readings.filter(({name}) => curves[name] ?? finals[name])
      group.append(...known.map(({name, text}) => option(name, text)))
      return group
    }).filter((group) => group.children.length))
    for (const name of ["grad_norm_fake", before]) {
      if (curves[name]) at("reading").value = name
    }
    chips(at("methods"), methods, () => true)
    chips(at("ratios"), ratios, (i) => i === ratios.length - 1)
    suggestScale()
  }

  function suggestScale() {
    const {curves} = study()
    const values = (curves[at("reading").value] ?? []).flatMap(({median}) => median).filter((v) => v !== null)
    const least = Math.min(...values), most = Math.max(...values)
    at("log").checked = values.length > 0 && least > 0 && most > SPREAD * least
  }

  // --- colours ------------------------------------------------------------------------------------

  function look() {
    const style = getComputedStyle(at("curves"))
    return {text: style.color, line: style.borderTopColor, paper: style.backgroundColor}
  }

  const channels = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number)

  const luminance = (rgb) => rgb
    .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)

  // A method's colour, mixed with that of the text until it stands out from the paper (3:1).
  function legible(colour, {paper, text}) {
    const [ground, ink] = [channels(paper), channels(text)]
    const hue = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16))
    for (let share = 0; share <= 1; share += 0.1) {
      const mixed = hue.map((v, i) => Math.round(v + share * (ink[i] - v)))
      const [a, b] = [luminance(mixed), luminance(ground)].sort((x, y) => y - x)
      if ((a + 0.05) / (b + 0.05) >= 3) return `rgb(${mixed.join(", ")})`
    }
    return text
  }

  // --- plots --------------------------------------------------------------------------------------

  const shown = {} // The Bokeh view in each box.

  async function put(box, figure) {
    const old = shown[box]
    if (old) {
      old.remove()
      Bokeh.documents.splice(Bokeh.documents.indexOf(old.model.document), 1)
    }
    at(box).replaceChildren()
    shown[box] = await Bokeh.Plotting.show(figure, at(box))
  }

  function blank(title, height, log, axis, {text, line}) {
    const figure = Bokeh.Plotting.figure({
      height, sizing_mode: "stretch_width", toolbar_location: null, output_backend: "canvas",
      tools: "", background_fill_color: null, border_fill_color: null, outline_line_color: null,
      min_border_right: 16, [`${axis}_axis_type`]: log ? "log" : "linear",
    })
    for (const part of [...figure.xaxes, ...figure.yaxes]) {
      Object.assign(part, {
        axis_label_text_font: FONT, axis_label_text_font_style: "normal", axis_label_text_font_size: "13px",
        major_label_text_font: FONT, major_label_text_font_size: "12px",
        axis_label_text_color: text, major_label_text_color: text,
        axis_line_color: line, major_tick_line_color: line, minor_tick_line_color: null,
      })
    }
    for (const grid of [...figure.xgrids, ...figure.ygrids]) grid.grid_line_color = line
    // Where fingers scroll the page, a plot does not take the drag for itself.
    if (matchMedia("(hover: hover)").matches) figure.add_tools(new Bokeh.BoxZoomTool())
    return figure
  }

  const named = (place) => `${study().methods[place.method].label} at ${study().ratios[place.ratio].label}`

  const positive = (values) => values.filter((v) => v !== null && v > 0)

  // Values as an axis can show them: a missing value, or a negative one on a log scale, leaves a gap.
  const onAxis = (values, log) =>
    values.map((v) => (v === null || (log && v < 0) ? NaN : log ? Math.max(v, FLOOR) : v))

  // A band in pieces between its gaps, whose ends Bokeh would join. On a log scale a band that
  // reaches below zero ends at ``bottom``.
  function pieces(x, low, high, log, bottom) {
    const [lower, upper] = [onAxis(low.map((v) => (log && v !== null && v < 0 ? bottom : v)), log), onAxis(high, log)]
    const parts = [[]]
    for (const i of x.keys()) {
      if (isNaN(lower[i] + upper[i])) parts.push([])
      else parts.at(-1).push(i)
    }
    return parts.filter((piece) => piece.length > 1).map((piece) =>
      ({x: piece.map((i) => x[i]), low: piece.map((i) => lower[i]), high: piece.map((i) => upper[i])}))
  }

  function drawCurves(rows, log, colours) {
    const clock = at("clock").value
    const figure = blank("curves", 380, log, "y", colours)
    figure.xaxes[0].axis_label = clocks[clock]
    const ratios = [...new Set(rows.map(({ratio}) => ratio))]
    const bottom = Math.max(FLOOR, Math.min(...positive(rows.flatMap(({median, low, high}) => [...median, ...low, ...high]))))
    const lines = []
    for (const row of rows) {
      const colour = legible(study().methods[row.method].colour, colours)
      const x = study().clocks[row.clock][clock]
      const source = new Bokeh.ColumnDataSource({name: named(row), data: {
        x, median: onAxis(row.median, log),
        value: row.median.map(String), ends: row.low.map((v, i) => (v === null ? "–" : `${v} to ${row.high[i]}`)),
        who: x.map(() => named(row)),
      }})
      const of = (field) => ({field})
      for (const piece of pieces(x, row.low, row.high, log, bottom)) {
        figure.varea({x: of("x"), y1: of("low"), y2: of("high"), source: new Bokeh.ColumnDataSource({data: piece}),
          fill_color: colour, fill_alpha: 0.2})
      }
      lines.push(figure.line({x: of("x"), y: of("median"), source, line_color: colour, line_width: 2,
        line_dash: DASHES[ratios.indexOf(row.ratio) % DASHES.length]}))
    }
    figure.add_tools(new Bokeh.HoverTool({renderers: lines, tooltips: [
      ["run", "@who"], [clocks[clock], "@x{0,0}"], ["median", "@value"], ["interval", "@ends"],
    ]}))
    return figure
  }

  function drawFinals(rows, log, colours) {
    const short = (text) => (text.length > 28 ? `${text.slice(0, 27)}…` : text)
    const ticks = rows.map((_, i) => -i)
    const figure = blank("finals", 50 + ROW * rows.length, log, "x", colours)
    figure.y_range = new Bokeh.Range1d({start: 0.7 - rows.length, end: 0.7})
    const axis = figure.yaxes[0]
    axis.ticker = new Bokeh.FixedTicker({ticks})
    axis.major_label_overrides = new Map(rows.map((row, i) => [-i, short(named(row))]))
    figure.ygrids[0].grid_line_color = null
    const dots = rows.map((row, i) => {
      const source = new Bokeh.ColumnDataSource({name: named(row), data: {
        x: onAxis(row.values, log), y: row.values.map(() => -i), who: row.values.map(() => named(row)),
        value: row.values.map(String), seed: row.seeds.map(String),
      }})
      const colour = legible(study().methods[row.method].colour, colours)
      return figure.scatter({x: {field: "x"}, y: {field: "y"}, source, size: 8,
        fill_color: colour, fill_alpha: 0.55, line_color: colour})
    })
    figure.add_tools(new Bokeh.HoverTool({renderers: dots, tooltips: [
      ["run", "@who"], ["seed", "@seed"], ["value", "@value"],
    ]}))
    return figure
  }

  function tabulate(rows) {
    const head = element("tr", "")
    head.append(...["Method", "D:G", "Values by seed"].map((text) => element("th", text, {scope: "col"})))
    const body = rows.map((row) => {
      const line = element("tr", "")
      line.append(
        element("th", study().methods[row.method].label, {scope: "row"}),
        element("td", study().ratios[row.ratio].label),
        element("td", row.seeds.map((seed, i) => `${seed}: ${row.values[i]}`).join("; ")),
      )
      return line
    })
    at("final-table").replaceChildren(head, ...body)
  }

  async function draw() {
    const [methods, ratios] = [checked("methods"), checked("ratios")]
    const chosen = ({method, ratio}) => methods.has(method) && ratios.has(ratio)
    const reading = at("reading").value
    const curves = (study().curves[reading] ?? []).filter(chosen)
    const finals = (study().finals[reading] ?? []).filter(chosen)
    const medians = curves.flatMap(({median}) => median)
    const ends = finals.flatMap(({values}) => values)
    // Without a positive value there is no log scale to choose.
    at("log").disabled = positive([...medians, ...ends]).length === 0
    const log = at("log").checked && !at("log").disabled
    const left_out = log && [...medians, ...ends].some((v) => v !== null && v < 0)
    const colours = look()
    for (const [i, swatch] of at("methods").querySelectorAll(".swatch").entries()) {
      swatch.style.background = legible(study().methods[i].colour, colours)
    }
    at("described").textContent = curves.length + finals.length === 0
      ? "No run has this reading; choose other methods or another ratio."
      : `${at("reading").selectedOptions[0].textContent}, over ${clocks[at("clock").value]}`
        + (left_out ? "; the log scale leaves negative values out" : "")
    for (const part of ["finals-title", "numbers"]) at(part).hidden = finals.length === 0
    tabulate(finals)
    await put("curves", drawCurves(curves, log && positive(medians).length > 0, colours))
    await put("finals", drawFinals(finals, log && positive(ends).length > 0, colours))
  }

  // Drawings run one after the other, so that the last choice is the one that stays.
  let drawing = Promise.resolve()
  const redraw = () => { drawing = drawing.then(draw) }

  async function unpacked(part) {
    const bytes = Uint8Array.from(atob(part.textContent), (letter) => letter.charCodeAt(0))
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text()
  }

  async function start() {
    for (const part of document.querySelectorAll("script.library")) {
      const script = document.createElement("script")
      script.textContent = await unpacked(part)
      document.body.append(script) // The policy of the page names its hash.
    }
    ({studies, clocks, readings} = JSON.parse(await unpacked(at("explorer-data"))))
    at("study").append(...studies.map(({title}, i) => option(i, title)))
    at("study-field").hidden = studies.length === 1
    at("controls").hidden = false
    at("controls").addEventListener("submit", (event) => event.preventDefault())
    at("controls").addEventListener("change", ({target}) => {
      if (target.id === "study") fillStudy()
      if (target.id === "reading") suggestScale()
      redraw()
    })
    at("reset").hidden = !matchMedia("(hover: hover)").matches
    at("reset").addEventListener("click", redraw)
    addEventListener("themechange", redraw)
    fillStudy()
    redraw()
  }

  const begin = () => {
    if (!at("explorer").open) return
    at("explorer").removeEventListener("toggle", begin)
    at("described").textContent = "Unpacking…"
    start()
  }
  at("explorer").addEventListener("toggle", begin)
}
