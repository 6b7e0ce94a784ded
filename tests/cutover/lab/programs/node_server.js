// An HTTPS server on the tls module of Node, or of what is like it (Bun): PORT OPTIONS CERTIFICATE KEY..., the options a JSON object for tls.createServer.
// Prints a line for each connection: address, then "completed" or the error.
const fs = require("node:fs");
const tls = require("node:tls");

const PAGE = "the cut-over page\n";
const [port, options, ...files] = process.argv.slice(2);
const cert = files.filter((_, i) => i % 2 === 0).map((path) => fs.readFileSync(path));
const key = files.filter((_, i) => i % 2 === 1).map((path) => fs.readFileSync(path));
const server = tls.createServer({ cert, key, ...JSON.parse(options) }, (socket) => {
  const from = socket.remoteAddress.replace("::ffff:", "");
  socket.setTimeout(8000, () => socket.destroy());
  let request = "";
  socket.on("data", (data) => {
    request += data;
    if (!request.endsWith("\r\n\r\n")) return;
    console.log(from, "completed", socket.getProtocol(), socket.getCipher().standardName);
    socket.end(`HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${PAGE.length}\r\n\r\n${PAGE}`);
  });
  socket.on("error", (error) => console.log(from, error.code, error.message.trim()));
});
// The socket of a handshake that failed has lost its address by then: it is noted while it has one.
const addresses = new WeakMap();
server.on("connection", (raw) => addresses.set(raw, raw.remoteAddress));
server.on("tlsClientError", (error, socket) => {
  const from = socket?.remoteAddress ?? socket?._parent?.remoteAddress ?? addresses.get(socket?._parent) ?? "?";
  console.log(from.replace("::ffff:", ""), error.code, error.message.trim());
});
server.listen(Number(port), "0.0.0.0", () => console.log("listening"));
