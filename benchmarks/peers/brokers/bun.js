// uWebSockets by Bun: topics are its own. PORT and SECRET by the environment.
const secret = process.env.SECRET;

function claims(header) {
  const [head, body, signature] = (header ?? "").slice(7).split(".");
  const made = new Bun.CryptoHasher("sha256", secret)
    .update(`${head}.${body}`)
    .digest("base64url");
  if (made !== signature) return null;
  const said = JSON.parse(Buffer.from(body, "base64url").toString());
  return said.exp * 1000 > Date.now() ? said : null;
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  fetch(request, server) {
    const who = claims(request.headers.get("authorization"));
    if (who === null) return new Response("", { status: 401 });
    if (server.upgrade(request, { data: who })) return undefined;
    return new Response("", { status: 400 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    sendPings: false,
    backpressureLimit: 64 * 1024 * 1024,
    open(socket) {
      const { name, sub } = socket.data;
      socket.subscribe(name === "driver" ? "drivers" : `user-${sub}`);
      socket.send('{"type":"welcome"}');
    },
    message(_, message) {
      server.publish("drivers", message);
    },
  },
});
