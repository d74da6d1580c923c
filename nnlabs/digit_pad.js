// The front end of nnlabs.widgets.DigitPad: a canvas to draw on, and ten bars that answer.
// What is drawn goes to Python as SIDE x SIDE grey values (0 paper, 255 ink) while the pen moves.

const SIDE = 56;
const PIXELS = 224; // width and height of the pad on the screen
const PAUSE = 150; // milliseconds between two questions to the network

function element(tag, style, parent, properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  made.style.cssText = style;
  parent.append(made);
  return made;
}

function render({ model, el }) {
  const root = element("div", "display:flex; flex-wrap:wrap; gap:24px; font:13px sans-serif", el);
  const left = element("div", "", root);
  const canvas = element("canvas", "display:block; touch-action:none; cursor:crosshair; background:black", left, {
    width: PIXELS,
    height: PIXELS,
  });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Drawing pad. The answer is told in words beside it.");
  const buttons = element("div", "margin-top:6px; display:flex; gap:6px", left);
  const clear = element("button", "", buttons, { textContent: "Clear" });
  const example = element("button", "", buttons, { textContent: "Show the example" });
  const right = element("div", "min-width:260px", root);
  const answer = element("p", "margin:0 0 8px; font-weight:bold; min-height:1.3em", right);
  answer.setAttribute("aria-live", "polite");
  const bars = Array.from({ length: 10 }, (_, digit) => {
    const row = element("div", "display:flex; align-items:center; gap:6px; height:20px", right);
    element("span", "width:1em", row, { textContent: digit });
    const track = element("span", "width:180px; height:12px; border:1px solid gray", row);
    const bar = element("span", "display:block; height:100%; background:#0072B2", track);
    return { bar, number: element("span", "", row) };
  });

  const pen = canvas.getContext("2d", { willReadFrequently: true });
  Object.assign(pen, { lineWidth: PIXELS / 12, lineCap: "round", lineJoin: "round", strokeStyle: "white" });
  const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const reader = small.getContext("2d", { willReadFrequently: true });
  reader.imageSmoothingQuality = "high";

  let timer = null;
  function ask() {
    timer = null;
    reader.fillRect(0, 0, SIDE, SIDE);
    reader.drawImage(canvas, 0, 0, SIDE, SIDE);
    const rgba = reader.getImageData(0, 0, SIDE, SIDE).data;
    model.set("drawing", Array.from({ length: SIDE * SIDE }, (_, i) => rgba[4 * i]));
    model.save_changes();
  }
  const askSoon = () => (timer ??= setTimeout(ask, PAUSE));

  function erase() {
    pen.clearRect(0, 0, PIXELS, PIXELS);
    askSoon();
  }
  function showExample() {
    const picture = model.get("example"); // rows of grey values
    const scale = PIXELS / picture.length;
    pen.clearRect(0, 0, PIXELS, PIXELS);
    picture.forEach((row, y) =>
      row.forEach((value, x) => {
        pen.fillStyle = `rgb(${value},${value},${value})`;
        pen.fillRect(x * scale, y * scale, scale, scale);
      }),
    );
    askSoon();
  }
  function place(event) {
    const box = canvas.getBoundingClientRect(); // the page may be zoomed
    return [((event.clientX - box.left) * PIXELS) / box.width, ((event.clientY - box.top) * PIXELS) / box.height];
  }
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pen.beginPath();
    pen.moveTo(...place(event));
    pen.lineTo(...place(event)); // a click alone leaves a dot
    pen.stroke();
    askSoon();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    pen.lineTo(...place(event));
    pen.stroke();
    askSoon();
  });
  clear.addEventListener("click", erase);
  example.addEventListener("click", showExample);

  function tell() {
    const probabilities = model.get("probabilities");
    answer.textContent = model.get("answer");
    bars.forEach(({ bar, number }, digit) => {
      const p = probabilities[digit] ?? 0;
      bar.style.width = `${100 * p}%`;
      number.textContent = probabilities.length ? p.toFixed(2) : "";
    });
  }
  model.on("change:answer change:probabilities", tell);
  tell();
  return () => {
    clearTimeout(timer);
    model.off("change:answer change:probabilities", tell);
  };
}

export default { render };
