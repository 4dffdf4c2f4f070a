// Reads QR codes with the camera, or from a picture that is chosen. What is read goes into the
// form's code and is sent, or is told to the page by the event "scanned". Pictures stay here.
"use strict";
(() => {
  const MOST = 1200; // pixels a side: a QR code 40-Q has 177 modules
  const EVERY = 120; // milliseconds between two looks

  async function makeReader() {
    if ("BarcodeDetector" in window) {
      const known = await window.BarcodeDetector.getSupportedFormats().catch(() => []);
      if (known.includes("qr_code")) {
        const detector = new window.BarcodeDetector({ formats: ["qr_code"] });
        return async (canvas) => (await detector.detect(canvas))[0]?.rawValue ?? "";
      }
    }
    if (!("TongbanScanning" in window)) {
      await new Promise((loaded, failed) => {
        const script = document.createElement("script");
        Object.assign(script, { src: "/static/vendor/scanning.js", onload: loaded, onerror: failed });
        document.head.append(script);
      });
    }
    return async (canvas) => {
      const image = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      try {
        return window.TongbanScanning.decodeQR(image);
      } catch {
        return ""; // there is none, or not clear enough
      }
    };
  }

  function draw(canvas, source, width, height, side) {
    const scale = Math.min(1, side / Math.max(width, height));
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    canvas.getContext("2d", { willReadFrequently: true }).drawImage(source, 0, 0, canvas.width, canvas.height);
  }

  for (const area of document.querySelectorAll("[data-scan]")) {
    const find = (name) => area.querySelector(`[data-scan-${name}]`);
    const [video, start, stop, picture, told] = ["video", "start", "stop", "picture", "told"].map(find);
    const form = area.closest("form");
    const canvas = document.createElement("canvas");
    let reading = null;
    let stream = null;
    area.hidden = false;
    start.hidden = !navigator.mediaDevices?.getUserMedia;

    const reader = () => (reading ??= makeReader());
    const found = (text) => {
      told.textContent = area.dataset.found;
      form.querySelector("[data-code]").value = text;
      form.dispatchEvent(new CustomEvent("scanned", { detail: text }));
      if (form.dataset.scanned === "submit") form.requestSubmit();
    };
    const close = () => {
      stream?.getTracks().forEach((track) => track.stop());
      stream = null;
      video.srcObject = null;
      video.hidden = stop.hidden = true;
      start.hidden = !navigator.mediaDevices?.getUserMedia;
    };
    const look = async (mine) => {
      if (stream !== mine) return;
      if (video.videoWidth) {
        draw(canvas, video, video.videoWidth, video.videoHeight, MOST);
        const text = await (await reader())(canvas);
        if (stream !== mine) return;
        if (text) { close(); found(text); return; }
      }
      setTimeout(look, EVERY, mine);
    };

    start.addEventListener("click", async () => {
      told.textContent = area.dataset.looking;
      try {
        const wanted = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 1280 } };
        stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      } catch (error) {
        const { none, busy, denied } = area.dataset;
        told.textContent = { NotFoundError: none, OverconstrainedError: none, NotReadableError: busy }[error.name] ?? denied;
        return;
      }
      video.srcObject = stream;
      video.hidden = stop.hidden = false;
      start.hidden = true;
      stop.focus();
      await video.play();
      look(stream);
    });
    stop.addEventListener("click", () => { close(); told.textContent = ""; start.focus(); });
    area.addEventListener("keydown", (event) => { if (event.key === "Escape" && stream) stop.click(); });
    window.addEventListener("pagehide", close);

    picture.addEventListener("change", async () => {
      const file = picture.files[0];
      if (!file) return;
      close();
      let text = "";
      try {
        const bitmap = await createImageBitmap(file);
        for (const side of [MOST, 2 * MOST, 600]) {
          draw(canvas, bitmap, bitmap.width, bitmap.height, side);
          text = await (await reader())(canvas);
          if (text) break;
        }
      } catch {
        text = "";
      }
      picture.value = "";
      if (text) found(text);
      else told.textContent = area.dataset.unread;
    });
  }
})();
