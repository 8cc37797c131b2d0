// What a request fails with.

export class CabrankError extends Error {
  /**
   * @param {string} code one of the protocol's refusals (section 3). `unavailable` also
   *   stands for a connection that was lost: the outcome is unknown.
   * @param {string} message fit to show to a user
   * @param {boolean} retryable
   */
  constructor(code, message, retryable = false) {
    super(message);
    this.name = "CabrankError";
    this.code = code;
    this.retryable = retryable;
  }

  static unavailable(message) {
    return new CabrankError("unavailable", message, true);
  }
}
