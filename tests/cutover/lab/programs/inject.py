"""Hands one mail to the sending mail server on this host and prints its last answer: RECIPIENT."""

import smtplib
import sys

session = smtplib.SMTP("127.0.0.1", 25, local_hostname="localhost", timeout=8)
session.mail("sender@cutover.example")
session.rcpt(sys.argv[1])
print(session.data("Subject: order 4711\r\n\r\nPlease find our order.\r\n")[1].decode())
session.quit()
