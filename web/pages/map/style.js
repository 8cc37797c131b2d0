// What the gateway was told of a style (CABRANK_MAP_STYLE_URL); empty: nothing.

const said = document.querySelector('meta[name="map-style"]')?.content ?? "";
/** Whole, though a file of the gateway's own is told by its path. */
export const STYLE_URL = said && new URL(said, location.href).href;
