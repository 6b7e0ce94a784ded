// A client on Node's tls: ADDRESS PORT NAME OPTIONS, the options a JSON object for tls.connect. Prints the page if it came through.
const tls = require("node:tls");

const [address, port, name, options] = process.argv.slice(2);
const socket = tls.connect({ host: address, port: Number(port), servername: name, rejectUnauthorized: false, ...JSON.parse(options) });
socket.setTimeout(8000, () => socket.destroy(new Error("no answer")));
socket.on("secureConnect", () => {
  console.log("said:", socket.getProtocol(), socket.getCipher().standardName);
  socket.write("GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n");
});
socket.on("data", (data) => console.log(data.toString()));
socket.on("error", (error) => console.log("said:", error.code, error.message.trim()));
