// The HTTP API as an operator asks it; what is refused comes as the client's error.

import { CabrankError } from "../../client/cabrank.js";

const PATIENCE_MS = 15_000;
/** How ids look. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export class Api {
  #account;

  constructor(account) {
    this.#account = account;
  }

  get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null);
    const text = new URLSearchParams(given).toString();
    return this.#call("GET", text ? `${path}?${text}` : path);
  }

  post(path, body) {
    return this.#call("POST", path, body);
  }

  put(path, body) {
    return this.#call("PUT", path, body);
  }

  /** @throws {CabrankError} */
  async #call(method, path, body) {
    const token = await this.#account.getToken({ rejected: null });
    const headers = { Authorization: `Bearer ${token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let answer;
    try {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal });
    } catch {
      throw CabrankError.unavailable("The server doesn't answer.");
    }
    const data = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (answer.ok) return data;
    throw new CabrankError(data?.code ?? "unavailable", data?.detail ?? `HTTP ${answer.status}`);
  }
}
