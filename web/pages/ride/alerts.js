// What makes somebody look up: a sound, a buzz, the tab's title. Each only where the
// browser allows it; sounds, after the first touch of the page.

const BUZZ_MS = [200, 100, 200];
const NOTES_HZ = [659, 880];
const NOTE_S = 0.16;

let audio = null;
addEventListener("pointerdown", wake, { passive: true });
addEventListener("keydown", wake);

function wake() {
  const Audio = globalThis.AudioContext;
  audio ??= Audio ? new Audio() : null;
  if (audio?.state === "suspended") audio.resume().catch(() => {});
}

export function alertUser() {
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(BUZZ_MS);
  if (audio?.state !== "running") return;
  NOTES_HZ.forEach((hertz, at) => {
    const start = audio.currentTime + at * NOTE_S;
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0.2, start);
    loudness.gain.exponentialRampToValueAtTime(0.001, start + NOTE_S);
    tone.connect(loudness).connect(audio.destination);
    tone.start(start);
    tone.stop(start + NOTE_S);
  });
}

let title = document.title;

/** Before the tab's title; "": as it was. */
export function markTitle(sign) {
  if (!document.title.startsWith("● ")) title = document.title;
  document.title = sign ? `● ${sign}` : title;
}
