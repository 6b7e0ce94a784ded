<?php
// A client on PHP's streams: ADDRESS PORT NAME OPTIONS, a JSON object of SSL context options. Prints the page if it came through.
[, $address, $port, $name, $options] = $argv;
$chosen = ["peer_name" => $name, "verify_peer" => false, "verify_peer_name" => false] + json_decode($options, true);
$stream = @stream_socket_client("tls://$address:$port", $number, $text, 8, STREAM_CLIENT_CONNECT, stream_context_create(["ssl" => $chosen]));
if (!$stream) {
    exit("said: " . ($text ?: error_get_last()["message"]) . "\n");
}
stream_set_timeout($stream, 8);
echo "said: ", json_encode(stream_get_meta_data($stream)["crypto"]), "\n";
fwrite($stream, "GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n");
echo stream_get_contents($stream);
