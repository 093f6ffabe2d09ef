/** The voting app's docker commands in the order of the original notes, word for word: the demo and its test run them. */
export const VOTING_APP: readonly string[] = [
  "network create --driver overlay voteFrontEnd",
  "network create --driver overlay voteBackEnd",
  "service create --name vote -p 80:80 --replicas 3 --network voteFrontEnd bretfisher/examplevotingapp_vote",
  "service create --name redis --network voteFrontEnd --replicas 1 redis:3.2",
  "service create --name worker --network voteFrontEnd --network voteBackEnd --replicas 1 bretfisher/examplevotingapp_worker",
  "service create --name db --network voteBackEnd --replicas 1 -e POSTGRES_HOST_AUTH_METHOD=trust --mount type=volume,source=db-data,target=/var/lib/postgresql/data postgres:9.4",
  "service create --name result -p 5001:80 --network voteBackEnd bretfisher/examplevotingapp_result",
];

/** What one looks at afterwards. */
export const LOOKING: readonly string[] = ["node ls", "service ls", "service ps vote", "network ls"];
