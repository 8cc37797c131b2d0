// The service worker of /rider and /driver: keeps the pages and their files, so that they
// open without a network. What the server says (the API, the socket) is never kept.

const CACHE = "cabrank-shell-1";
const PAGES = new Set(["/", "/rider", "/driver", "/ops"]);
const FILES = "/static/";
/** A network that hasn't answered by then is as good as none, where a copy is here. */
const PATIENCE_MS = 3_000;

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => names.filter((name) => name !== CACHE).map((name) => caches.delete(name)))
      .then((gone) => Promise.all(gone))
      .then(() => clients.claim()),
  );
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const isShell = PAGES.has(pathname) || pathname.startsWith(FILES);
  if (request.method !== "GET" || origin !== location.origin || !isShell) return;
  event.respondWith(answer(request));
});

/** The network's, which is kept; where it doesn't come, what was kept. */
async function answer(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request, { ignoreSearch: true });
  const fresh = fetch(request).then((response) => {
    if (response.ok) cache.put(request, response.clone());
    return response;
  });
  if (!kept) return fresh;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, kept));
  return Promise.race([fresh.catch(() => kept), late]);
}
