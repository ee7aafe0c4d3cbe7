namespace FlexKernel.Training.Data;

/// <summary>Which sequence of a set comes when: a function of the position alone, so that training can go on anywhere.</summary>
public interface ISequenceOrder
{
    /// <summary>The sequence at a position.</summary>
    /// <param name="position">How many sequences came before, from 0 on, over all epochs.</param>
    /// <returns>Its number in the set.</returns>
    int At(long position);
}
