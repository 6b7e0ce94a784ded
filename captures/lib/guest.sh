# The first program of the virtual machine (machine.py): KERNEL MAKE FILE MODULE...
# Its root is the host's, so what is the machine's own is mounted over it.
kernel=$1 make=$2 file=$3
shift 3
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ln -s /proc/self/fd /dev/fd
for name in stdin:0 stdout:1 stderr:2; do ln -s "/proc/self/fd/${name#*:}" "/dev/${name%:*}"; done
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for folder in /dev/shm /run /var/tmp; do mount -t tmpfs tmpfs $folder; done
mkdir -p /run/lock
# What the kernel itself asks for, too, lies where the modules do.
printf '#!/bin/sh\nexec modprobe -d %s "$@"\n' "$kernel" > /run/modprobe
chmod +x /run/modprobe
sysctl -qw kernel.modprobe=/run/modprobe
for module in "$@"; do modprobe -d "$kernel" "$module" || echo "no module $module"; done
sysctl -qw net.core.fb_tunnels_only_for_init_net=2 kernel.printk=0
ip link set lo up
echo "machine: up"
"$make" --here "$file" && echo "machine: done"
sync
echo o > /proc/sysrq-trigger
while true; do :; done
