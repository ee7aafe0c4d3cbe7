using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace FlexKernel.Sampling;

/// <summary>
/// The ids still in play for one draw, in ascending order, with their logits and, once asked for, their softmax weights. Filters shrink it,
/// so that after the first one the work no longer depends on the vocabulary. All storage is made at construction.
/// </summary>
/// <param name="vocabularySize">Most ids it can hold.</param>
internal sealed class Candidates(int vocabularySize)
{
    // Weights are summed in blocks of this many candidates, so that a draw skips to its block.
    private const int Block = 256;

    // Up to this rank a heap finds the largest logits faster than three passes over all of them.
    private const int LargestHeap = 256;

    private readonly float[] _logits = new float[vocabularySize];
    private readonly int[] _ids = new int[vocabularySize];
    private readonly double[] _weights = new double[vocabularySize];
    private readonly TopTokens _top = new(LargestHeap);
    private readonly MassSelect _select = new();
    private bool _dense, _weighted;

    /// <summary>Number of candidates.</summary>
    public int Count { get; private set; }

    /// <summary>The largest logit.</summary>
    public float Maximum { get; private set; }

    /// <summary>The logits of the candidates.</summary>
    public ReadOnlySpan<float> Logits => _logits.AsSpan(0, Count);

    /// <summary>The logit of which the weight is 1; set by the first use of <see cref="Weights"/>.</summary>
    public float WeightShift { get; private set; }

    /// <summary>The softmax weights of the candidates, up to a common factor: <c>exp(logit - WeightShift)</c>.</summary>
    public ReadOnlySpan<double> Weights
    {
        get
        {
            if (!_weighted)
            {
                PortableMath.Exp(Logits, Maximum, _weights);
                WeightShift = Maximum;
                _weighted = true;
            }

            return _weights.AsSpan(0, Count);
        }
    }

    /// <summary>
    /// Starts with every id of a vector; entries of negative infinity count as candidates of weight 0 until a filter drops them.
    /// </summary>
    /// <param name="logits">The logits [vocabulary]; at least one above negative infinity, none NaN.</param>
    public void Load(ReadOnlySpan<float> logits)
    {
        logits.CopyTo(_logits);
        Count = logits.Length;
        Maximum = TensorPrimitives.Max(logits);
        _dense = true;
        _weighted = false;
    }

    /// <summary>Writes negative infinity over every entry of the loaded vector that is no longer a candidate.</summary>
    /// <param name="logits">The vector given to <see cref="Load"/>.</param>
    public void Mask(Span<float> logits)
    {
        if (_dense)
        {
            return;
        }

        logits.Fill(float.NegativeInfinity);
        for (int i = 0; i < Count; i++)
        {
            logits[_ids[i]] = _logits[i];
        }
    }

    /// <summary>The sum of the weights.</summary>
    public double SumWeights()
    {
        ReadOnlySpan<double> weights = Weights;
        double total = 0;
        for (int start = 0; start < weights.Length; start += Block)
        {
            total += PortableMath.Sum(weights.Slice(start, Math.Min(Block, weights.Length - start)));
        }

        return total;
    }

    /// <summary>The logarithm of the sum of exponentials of the candidates' logits.</summary>
    public double LogSumExp()
    {
        double total = SumWeights();
        return WeightShift + PortableMath.Log(total);
    }

    /// <summary>The entropy of the softmax of the candidates, in nats.</summary>
    public double Entropy()
    {
        ReadOnlySpan<double> weights = Weights;
        double total = 0, mean = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] > 0)
            {
                total += weights[i];
                mean += weights[i] * (_logits[i] - WeightShift);
            }
        }

        return PortableMath.Log(total) - mean / total;
    }

    /// <summary>The k-th largest logit, equal ones counted apart; negative infinity when there are fewer candidates.</summary>
    public float Largest(int k)
    {
        if (k == 1)
        {
            return Maximum;
        }

        if (k > Count)
        {
            return float.NegativeInfinity;
        }

        if (k > LargestHeap)
        {
            return DescendingKey.Logit(_select.Find(default(DescendingKey), Logits, [], k).Key);
        }

        _top.Collect(Logits, k);
        return _top.Smallest;
    }

    /// <summary>
    /// Keeps the candidates whose logit is at least <paramref name="threshold"/>, and never fewer than <paramref name="minimum"/> (with
    /// ties more).
    /// </summary>
    public void KeepAtLeast(double threshold, int minimum)
    {
        float limit = Math.Min(PortableMath.CeilingToSingle(threshold), Largest(minimum));
        int kept = 0, i = 0;
        for (; i + 8 <= Count; i += 8)
        {
            if (Vector256.GreaterThanOrEqualAny(Vector256.Create(_logits.AsSpan(i, 8)), Vector256.Create(limit)))
            {
                for (int j = i; j < i + 8; j++)
                {
                    if (_logits[j] >= limit)
                    {
                        Move(j, kept++);
                    }
                }
            }
        }

        for (; i < Count; i++)
        {
            if (_logits[i] >= limit)
            {
                Move(i, kept++);
            }
        }

        Shrink(kept);
    }

    /// <summary>
    /// Keeps the first candidates of an ordering until their weights reach a mass; of those with equal keys the lowest ids.
    /// </summary>
    /// <param name="order">The ordering.</param>
    /// <param name="mass">The mass, in units of <see cref="Weights"/>; the candidate that reaches it stays.</param>
    /// <param name="minimum">Number of candidates to keep at least.</param>
    /// <param name="allTies">Whether all with the same key as the last one kept stay too.</param>
    public void KeepMass<TKey>(TKey order, double mass, int minimum, bool allTies)
        where TKey : struct, ISelectionKey
    {
        (uint last, double before) = _select.Find(order, Logits, Weights, mass);
        double missing = allTies ? double.PositiveInfinity : mass - before;
        double ties = 1;
        if (minimum > 1)
        {
            (uint key, double count) = _select.Find(order, Logits, [], minimum);
            if (key > last)
            {
                last = key;
                missing = 0;
            }

            if (key == last)
            {
                ties = minimum - count;
            }
        }

        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            uint key = order.Of(_logits[i]);
            if (key == last && (missing > 0 || ties > 0))
            {
                missing -= _weights[i];
                ties--;
                Move(i, kept++);
            }
            else if (key < last)
            {
                Move(i, kept++);
            }
        }

        Shrink(kept);
        Maximum = TensorPrimitives.Max(Logits);
    }

    /// <summary>The id at which the running sum of weights, in ascending order of ids, passes a share of the total.</summary>
    /// <param name="share">In [0, 1).</param>
    public int Pick(double share)
    {
        double target = share * SumWeights(), sum = 0;
        ReadOnlySpan<double> weights = Weights;
        int start = 0;
        for (; start + Block < weights.Length; start += Block)
        {
            double next = sum + PortableMath.Sum(weights.Slice(start, Block));
            if (next > target)
            {
                break;
            }

            sum = next;
        }

        // One by one the weights of a block may sum to a hair less than together: then its last id of any weight is meant.
        int picked = -1;
        for (int i = start; i < weights.Length && sum <= target; i++)
        {
            if (weights[i] > 0)
            {
                picked = i;
                sum += weights[i];
            }
        }

        return Id(picked);
    }

    /// <summary>The probability of an id; 0 when it is not a candidate.</summary>
    public double Probability(int id)
    {
        int place = _dense ? id : _ids.AsSpan(0, Count).BinarySearch(id);
        return place < 0 ? 0 : Weights[place] / SumWeights();
    }

    /// <summary>Writes the probabilities of all ids.</summary>
    /// <param name="destination">Receives them [vocabulary]; 0 for ids that are not candidates.</param>
    public void CopyProbabilities(Span<double> destination)
    {
        double total = SumWeights();
        destination.Clear();
        for (int i = 0; i < Count; i++)
        {
            destination[Id(i)] = _weights[i] / total;
        }
    }

    /// <summary>Makes the weights what these probabilities have more than others: <c>max(0, p - q)</c>.</summary>
    /// <param name="others">The other probabilities, q [vocabulary].</param>
    /// <returns>False when nothing is left: the distributions are the same.</returns>
    public bool Subtract(ReadOnlySpan<double> others)
    {
        double total = SumWeights();
        for (int i = 0; i < Count; i++)
        {
            _weights[i] = Math.Max(0, _weights[i] / total - others[Id(i)]);
        }

        return SumWeights() > 0;
    }

    private int Id(int place) => _dense ? place : _ids[place];

    private void Move(int from, int to)
    {
        _ids[to] = Id(from);
        _logits[to] = _logits[from];
        _weights[to] = _weights[from];
    }

    private void Shrink(int count)
    {
        Count = count;
        _dense = false;
    }
}
