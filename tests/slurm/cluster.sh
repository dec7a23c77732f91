#!/usr/bin/env bash
# A Slurm cluster of this one machine, for the tests: cluster.sh start FOLDER | stop FOLDER (as root).
# It writes /etc/slurm/slurm.conf, which must not be there before, and takes it away again; the rest lies in FOLDER.
set -euo pipefail
action=$1 folder=$2
config=/etc/slurm/slurm.conf
host=$(hostname)

start() {
  if [ -e $config ]; then
    echo "$config is there: a cluster of somebody else's is not touched" >&2
    exit 1
  fi
  mkdir -p "$folder"/{state,spool,log} /etc/slurm /run/munge
  chown munge /run/munge
  [ -e /etc/munge/munge.key ] || mungekey
  cat > $config <<EOF
ClusterName=nonsmooth
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/log/completed
MinJobAge=300
ReturnToService=2
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(free -m | awk '/^Mem/ {print int($2 * 0.9)}') State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
  runuser -u munge -- munged --force
  slurmctld
  slurmd -N "$host"
  for _ in $(seq 60); do
    [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && exit 0
    sleep 0.5
  done
  echo "no node became idle within 30 seconds:" >&2
  tail -n 20 "$folder"/log/* >&2
  stop
  exit 1
}

stop() {
  scontrol shutdown || true
  for _ in $(seq 40); do
    pgrep -x slurmctld > /dev/null || pgrep -x slurmd > /dev/null || break
    sleep 0.25
  done
  pkill -x slurmctld || true
  pkill -x slurmd || true
  munged --stop || true
  rm -f $config
}

$action
