# A client on Perl's IO::Socket::SSL: ADDRESS PORT NAME [KEY VALUE]..., options of its constructor. Prints the page if it came through.
use strict;
use warnings;
use IO::Socket::SSL;

my ($address, $port, $name, %options) = @ARGV;
my $socket = IO::Socket::SSL->new(PeerAddr => $address, PeerPort => $port, SSL_hostname => $name, SSL_verify_mode => SSL_VERIFY_NONE, Timeout => 8, %options);
if (!$socket) {
    print "said: $SSL_ERROR\n";
    exit 1;
}
print "said: ", $socket->get_sslversion, " ", $socket->get_cipher, "\n";
print $socket "GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n";
print while <$socket>;
