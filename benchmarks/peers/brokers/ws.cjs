// node's ws at its quickest: a frame is built once and written to each socket as it is.
const { createHmac } = require("node:crypto");
const http = require("node:http");
const { Sender, WebSocketServer } = require("ws");

const secret = process.env.SECRET;
const drivers = new Set();
const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  clientTracking: false,
});
const framing = { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: false };

function claims(header) {
  const [head, body, signature] = (header ?? "").slice(7).split(".");
  const made = createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url");
  if (made !== signature) return null;
  const said = JSON.parse(Buffer.from(body, "base64url").toString());
  return said.exp * 1000 > Date.now() ? said : null;
}

function broadcast(message) {
  const frame = Buffer.concat(Sender.frame(message, framing));
  for (const socket of drivers) socket.write(frame);
}

const server = http.createServer((_, answer) => answer.writeHead(404).end());
server.on("upgrade", (request, raw, head) => {
  const who = claims(request.headers.authorization);
  if (who === null) {
    raw.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
    return;
  }
  sockets.handleUpgrade(request, raw, head, (socket) => {
    raw.setNoDelay(true);
    if (who.name === "driver") {
      drivers.add(raw);
      socket.on("close", () => drivers.delete(raw));
    }
    socket.on("message", broadcast);
    socket.on("error", () => socket.terminate());
    socket.send('{"type":"welcome"}');
  });
});
server.listen(Number(process.env.PORT), "127.0.0.1", 4096);
