# A client on Ruby's openssl: ADDRESS PORT NAME OPTIONS, a JSON object of SSLContext's settings. Prints the page if it came through.
require "json"
require "openssl"
require "socket"

address, port, name, options = ARGV
context = OpenSSL::SSL::SSLContext.new
context.verify_mode = OpenSSL::SSL::VERIFY_NONE
JSON.parse(options).each { |key, value| context.send("#{key}=", %w[min_version max_version].include?(key) ? value.to_sym : value) }
begin
  socket = OpenSSL::SSL::SSLSocket.new(Socket.tcp(address, port.to_i, connect_timeout: 8), context)
  socket.hostname = name
  socket.connect
  puts "said: #{socket.ssl_version} #{socket.cipher.first}"
  socket.write("GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n")
  puts socket.read
rescue OpenSSL::SSL::SSLError, SystemCallError => error
  puts "said: #{error}"
end
