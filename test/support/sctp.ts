import { exec } from "../../src/sys/index.ts";
import { eventually, type TaskContainer, type TestSwarm } from "./swarm.ts";

/** Prints who sent the first SCTP packet that arrives, and to which port; by perl, since raw sockets need no SCTP in the kernel. */
const HEAR = `
  use Socket;
  socket(my $socket, AF_INET, SOCK_RAW, 132) or die "socket: $!";
  alarm 10;
  my $from = recv($socket, my $packet, 2000, 0);
  my (undef, $address) = unpack_sockaddr_in($from);
  my (undef, $port) = unpack("nn", substr($packet, (ord($packet) & 15) * 4));
  print inet_ntoa($address), " $port";
`;

/** Sends the packet that opens an SCTP connection (RFC 9260, 3.3.2), with its checksum, CRC32c: the kernel looks at it. */
const OPEN = `
  use Socket;
  my ($to, $port) = @ARGV;
  sub crc {
    my $crc = 0xFFFFFFFF;
    for my $byte (unpack("C*", $_[0])) {
      $crc ^= $byte;
      $crc = $crc & 1 ? ($crc >> 1) ^ 0x82F63B78 : $crc >> 1 for 1 .. 8;
    }
    return $crc ^ 0xFFFFFFFF;
  }
  my $init = pack("CCnNNnnN", 1, 0, 20, 0x11223344, 65535, 1, 1, 1);
  my $packet = sub { pack("nnNV", 5000 + $$ % 1000, $port, 0, $_[0]) . $init };
  socket(my $socket, AF_INET, SOCK_RAW, 132) or die "socket: $!";
  send($socket, $packet->(crc($packet->(0))), 0, sockaddr_in(0, inet_aton($to))) or die "send: $!";
`;

/** Opens an SCTP connection from the lab's client to a port of a host; what comes to the task: "<the sender's address> <port>". */
export async function openSctp(
  swarm: TestSwarm,
  task: TaskContainer,
  host: string,
  port: number,
): Promise<string> {
  let heard = "";
  const hearing = exec(["nsenter", "-t", String(task.pid), "-n", "perl", "-e", HEAR]).then(({ stdout }) => {
    heard = stdout;
  });
  // Whether the other side listens by now nobody can say: once more, then.
  await eventually(10_000, `SCTP comes by port ${port} of host ${host}`, async () => {
    await swarm.exec("client", "perl", "-e", OPEN, swarm.ip(host), String(port));
    return heard;
  });
  await hearing;
  return heard;
}
