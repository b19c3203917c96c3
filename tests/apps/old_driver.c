// Stands in for a driver of NVIDIA that serves CUDA 9.2 and nothing newer.
int cuDriverGetVersion(int* version) {
  *version = 9020;
  return 0;
}
