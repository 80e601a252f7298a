"use strict";
let current = null;  // the viewer that the keys act on: the one used last

for (const viewer of document.querySelectorAll(".viewer")) {
  const one = (selector) => viewer.querySelector(selector);
  const range = one("input[type=range]"), shown = one("output"), colours = one("input[type=checkbox]");
  const status = one(".status"), stacks = [...viewer.querySelectorAll(".stack")];
  if (!one("script")) continue;
  const store = JSON.parse(one("script").textContent);
  let section = (store.sections.length - 1) >> 1, error = -1, spot = null, chosen = {}, drawing = 0;

  if (colours) colours.addEventListener("change", () => viewer.classList.toggle("plain", !colours.checked));

  const show = (number) => {
    section = number;
    for (const picture of viewer.querySelectorAll("img[data-layer]")) {
      picture.src = store.layers[picture.dataset.layer][section];
      if (picture.dataset.words) picture.alt = `${picture.dataset.words}, section ${store.sections[section]}`;
    }
    if (!range) return;
    range.value = section;
    shown.textContent = store.sections[section];
    range.setAttribute("aria-valuetext", `section ${store.sections[section]}`);
  };

  const name = (pixels, k) => pixels[k + 3] && [0, 1, 2].map((c) => pixels[k + c].toString(16).padStart(2, "0")).join("");

  const pixels = (picture, x, y, width, height) => {
    const pen = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
    pen.drawImage(picture, -x, -y);
    return pen.getImageData(0, 0, width, height);
  };

  // Rings at the spot, and the chosen objects in full colour.
  const mark = async () => {
    const turn = ++drawing;
    for (const stack of stacks) {
      const base = stack.querySelector("img"), top = stack.querySelector("img.over");
      const loaded = [...stack.querySelectorAll("img")].map((picture) => picture.decode());
      await Promise.allSettled(loaded);  // decode() rejects where another section was chosen meanwhile
      if (turn !== drawing) return;
      const { naturalWidth: width, naturalHeight: height } = base, scale = Math.max(1, Math.round(720 / width));
      const canvas = stack.querySelector("canvas") || stack.appendChild(document.createElement("canvas"));
      Object.assign(canvas, { className: "mark", width: width * scale, height: height * scale });
      const pen = canvas.getContext("2d"), wanted = top && chosen[top.dataset.layer];
      if (wanted) {
        const found = pixels(top, 0, 0, width, height), ids = store.ids[top.dataset.layer];
        for (let k = 0; k < found.data.length; k += 4)
          if (!wanted.includes(ids[name(found.data, k)])) found.data[k + 3] = 0;
        pen.imageSmoothingEnabled = false;
        pen.drawImage(await createImageBitmap(found), 0, 0, canvas.width, canvas.height);
      }
      if (!spot) continue;
      for (const [colour, line] of [["#000", 0.014], ["#fff", 0.007]]) {
        pen.beginPath();
        pen.arc((spot[0] + 0.5) * scale, (spot[1] + 0.5) * scale, canvas.width * 0.04, 0, 7);
        Object.assign(pen, { strokeStyle: colour, lineWidth: canvas.width * line });
        pen.stroke();
      }
    }
  };

  const place = (z, y, x) => `z ${z}, y ${y}, x ${x}`;

  const showError = (number) => {
    error = (number + store.errors.length) % store.errors.length;
    const { run, words, section: there, position, ids } = store.errors[error];
    spot = [1, 0].map((axis) => Math.floor((position[axis + 1] - store.corner[axis]) / store.factor));
    chosen = ids;
    current = viewer;
    show(there);
    const layer = Object.keys(ids).find((name) => name !== "labels");
    one(`img[data-layer="${layer}"]`).closest("figure").scrollIntoView({ block: "nearest" });
    status.textContent = `error ${error + 1} of ${store.errors.length}, ${run}: ${words}, at ${place(...position)}`;
    return mark();
  };

  // Print the ids under the pointer: colours of the layers identify them.
  const click = async (event) => {
    const box = event.currentTarget.getBoundingClientRect(), { naturalWidth: width, naturalHeight: height } = one("img");
    const x = Math.min(width - 1, Math.floor(((event.clientX - box.left) / box.width) * width));
    const y = Math.min(height - 1, Math.floor(((event.clientY - box.top) / box.height) * height));
    spot = [x, y];
    chosen = {};
    const found = Object.entries(store.ids).map(([layer, ids]) => {
      const pixel = name(pixels(one(`img[data-layer="${layer}"]`), x, y, 1, 1).data, 0);
      if (pixel) chosen[layer] = [ids[pixel]];
      return `${store.names[layer]} ${pixel ? ids[pixel] ?? "not readable" : "none"}`;
    });
    const voxel = [y, x].map((at, axis) => store.corner[axis] + at * store.factor);
    status.textContent = `${place(store.sections[section], ...voxel)}: ${found.join(", ")}`;
    return mark();
  };

  viewer.addEventListener("pointerdown", () => { current = viewer; });
  viewer.addEventListener("focusin", () => { current = viewer; });
  if (status) for (const stack of stacks) stack.addEventListener("click", click);
  if (range) range.addEventListener("input", () => {
    spot = null;
    chosen = {};
    show(Number(range.value));
    mark();
  });
  if (!store.errors.length) continue;
  const step = (by) => showError(by < 0 && error < 0 ? -1 : error + by);
  Object.assign(viewer, { showError, step });
  for (const button of viewer.querySelectorAll("button"))
    button.addEventListener("click", () => step(Number(button.dataset.step)));
}

document.addEventListener("keydown", (event) => {
  const by = { n: 1, p: -1 }[event.key];
  if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
  const viewer = current?.step ? current : [...document.querySelectorAll(".viewer")].find((one) => one.step);
  viewer?.step(by);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-error]");
  if (!link) return;
  event.preventDefault();
  document.querySelector(link.hash).showError(Number(link.dataset.error));
});
