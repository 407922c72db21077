// One WebSocket, opened when there is something to send. Messages come back in the order they were sent.

class Socket {
  constructor() {
    this.waiting = [];
    this.line = null;
    this.token = "";
  }

  async send(text, token) {
    if (this.line?.readyState !== WebSocket.OPEN || this.token !== token) await this.open(token);
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.line.send(text);
    });
  }

  async open(token) {
    this.line?.close();
    const address = new URL("/ws", location.href.replace(/^http/, "ws"));
    // Browsers cannot send a header with a WebSocket; the token is a subprotocol instead.
    const line = new WebSocket(address, ["echo-room", `echo-room.token.${token}`]);
    this.line = line;
    this.token = token;
    line.addEventListener("message", (event) => this.waiting.shift()?.resolve(event.data));
    const opened = await new Promise((resolve) => {
      line.addEventListener("open", () => resolve(true));
      line.addEventListener("close", (event) => { this.closed(line, event.code); resolve(false); });
    });
    if (opened) return;
    // Browsers do not say why a handshake was refused; an ordinary request with the same token does.
    await ask("GET", "/whoami", { token });
    throw new Away(TEXTS.socketAway);
  }

  closed(line, code) {
    if (line !== this.line) return;
    const reasons = { 1001: TEXTS.socketDraining, 1008: TEXTS.socketRefused, 1013: TEXTS.socketLimit };
    const message = reasons[code] ?? TEXTS.socketAway;
    const error = code === 1008 ? new Refused(401, message) : new Away(message);
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
}
